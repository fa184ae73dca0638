import { createHash, createPrivateKey, createPublicKey, generateKeyPairSync, sign, type KeyObject } from 'node:crypto'

import { z } from 'zod'

import { DepotError } from '../../src/errors.ts'
import { parseAs } from '../../src/http/parse-as.ts'
import { LIMITS } from '../../src/limits.ts'

/** One key of `/-/npm/v1/keys`. npmjs's have these fields; what else another registry says of its own passes through. */
export type PublicKeyEntry = z.infer<typeof keySchema>

const keySchema = z.looseObject({
  /** `SHA256:` and the base64 of the sha256 of `key`, without padding. */
  keyid: z.string().min(1),
  keytype: z.string(),
  scheme: z.string(),
  /** SubjectPublicKeyInfo, DER in base64. */
  key: z.string().refine(isPublicKey, { error: 'not a public key in base64' }),
  /** ISO 8601: the key is good for versions that are older. */
  expires: z.string().nullish(),
})

/** One of `dist.signatures`. */
export interface Signature {
  readonly keyid: string
  /** ECDSA, DER in base64. */
  readonly sig: string
}

/** A key that signs versions of packages: ECDSA on P-256, the only kind that npm and pnpm check. */
export interface SigningKey {
  readonly entry: PublicKeyEntry
  /** Sign what clients check: `name@version:integrity`. Computed in the thread pool. */
  sign(name: string, version: string, integrity: string): Promise<Signature>
}

/** What a registry signs with, and what its clients are told. */
export interface RegistryKeys {
  /** The newest key. */
  readonly signer: SigningKey
  /** Public keys: all of our own, and those of other registries whose packages are here. */
  readonly published: readonly PublicKeyEntry[]
}

/** A new secret key, PKCS #8 in PEM. */
export function generateSigningKey(): string {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: CURVE })
  return privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()
}

const CURVE = 'prime256v1'
const KIND_OF_KEY = 'ecdsa-sha2-nistp256'

/** @throws Error when the text is no secret key on P-256; the message does not repeat it */
export function parseSigningKey(text: string): SigningKey {
  const secret = secretKeyOf(text)
  const der = createPublicKey(secret).export({ type: 'spki', format: 'der' })
  const keyid = `SHA256:${createHash('sha256').update(der).digest('base64').replace(/=+$/, '')}`
  return {
    entry: { expires: null, keyid, keytype: KIND_OF_KEY, scheme: KIND_OF_KEY, key: der.toString('base64') },
    sign: async (name, version, integrity) => {
      const signed = await signText(`${name}@${version}:${integrity}`, secret)
      return { keyid, sig: signed.toString('base64') }
    },
  }
}

function secretKeyOf(text: string): KeyObject {
  let secret: KeyObject
  try {
    secret = createPrivateKey(text)
  } catch {
    throw new Error('not a secret key in PEM')
  }
  if (secret.asymmetricKeyType !== 'ec' || secret.asymmetricKeyDetails?.namedCurve !== CURVE)
    throw new Error('not an ECDSA key on P-256')
  return secret
}

function signText(text: string, secret: KeyObject): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    sign('sha256', Buffer.from(text), secret, (error, signed) => (error === null ? resolve(signed) : reject(error)))
  })
}

/**
 * The same answer, from somebody who sends it.
 *
 * @throws DepotError `BAD_REQUEST`
 */
export function parseSentKeys(value: unknown): readonly PublicKeyEntry[] {
  const { keys } = parseAs(keysSchema, value, 'the keys')
  if (keys.length > LIMITS.npmRegistryKeysMax)
    throw new DepotError('BAD_REQUEST', `these are more than ${LIMITS.npmRegistryKeysMax} keys`)
  const odd = keys.find(({ keyid }) => !KEY_ID.test(keyid))
  if (odd !== undefined) throw new DepotError('BAD_REQUEST', 'the id of a key has up to 200 printable characters')
  return keys
}

/** A key as it was kept. */
export function parseStoredKey(value: string): PublicKeyEntry {
  return keySchema.parse(JSON.parse(value))
}

const KEY_ID = /^[!-~]{1,200}$/

/** The keys that a registry's `/-/npm/v1/keys` answers with. @throws Error naming the field that is wrong */
export function parseKeysDocument(text: string): readonly PublicKeyEntry[] {
  const parsed = keysSchema.safeParse(JSON.parse(text))
  if (parsed.success) return parsed.data.keys
  const issue = parsed.error.issues[0]
  throw new Error(`${issue?.path.join('.') ?? ''}: ${issue?.message ?? 'not a list of keys'}`)
}

const keysSchema = z.looseObject({ keys: z.array(keySchema) })

function isPublicKey(text: string): boolean {
  try {
    createPublicKey({ key: Buffer.from(text, 'base64'), format: 'der', type: 'spki' })
    return true
  } catch {
    return false
  }
}
