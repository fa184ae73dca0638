import { createPrivateKey, createPublicKey, generateKeyPairSync, sign, verify, type KeyObject } from 'node:crypto'

import { printStorePath } from './store-path.ts'

/** A key that signs narinfos. */
export interface SigningKey {
  /** Name before the colon: `cache.example.org-1`. */
  readonly name: string
  /** `name:base64`, as `trusted-public-keys` takes it. */
  readonly publicKey: string
  /** The value of a `Sig` line for this fingerprint. */
  sign(fingerprint: string): string
}

/** A key that checks signatures. */
export interface VerifyingKey {
  readonly name: string
  /** `name:base64`, as `trusted-public-keys` takes it. */
  readonly publicKey: string
  /** True when `signature` is a `Sig` value by this key over the fingerprint. */
  verify(fingerprint: string, signature: string): boolean
}

/** What a signature vouches for. URL, Compression, FileHash and FileSize are not part of it. */
export interface Signed {
  /** Base name of the store path. */
  readonly baseName: string
  /** sha256 of the archive in Nix's base 32. */
  readonly narHash: string
  readonly narSizeBytes: number
  /** Base names, in any order. */
  readonly references: readonly string[]
}

/** The text that is signed (nix: libstore/path-info.cc, ValidPathInfo::fingerprint). */
export function fingerprint({ baseName, narHash, narSizeBytes, references }: Signed): string {
  const paths = [...references].sort().map(printStorePath).join(',')
  return `1;${printStorePath(baseName)};sha256:${narHash};${narSizeBytes};${paths}`
}

/**
 * A secret key as `nix key generate-secret` writes it: `name:base64` of 32 bytes of seed and the 32 of the public key.
 *
 * @throws Error when it is none; the message does not repeat it.
 */
export function parseSecretKey(text: string): SigningKey {
  const { name, bytes } = splitKey(text, SEED_BYTES + PUBLIC_BYTES)
  const secret = privateKeyOf(bytes.subarray(0, SEED_BYTES))
  const publicBytes = publicBytesOf(secret)
  if (!publicBytes.equals(bytes.subarray(SEED_BYTES)))
    throw new Error('the two halves of the key do not belong together')
  return {
    name,
    publicKey: `${name}:${publicBytes.toString('base64')}`,
    sign: (text_) => `${name}:${sign(null, Buffer.from(text_), secret).toString('base64')}`,
  }
}

/** A public key as `trusted-public-keys` takes it. @throws Error when it is none */
export function parsePublicKey(text: string): VerifyingKey {
  const { name, bytes } = splitKey(text, PUBLIC_BYTES)
  const key = createPublicKey({ key: Buffer.concat([SPKI_PREFIX, bytes]), format: 'der', type: 'spki' })
  return {
    name,
    publicKey: `${name}:${bytes.toString('base64')}`,
    verify(text_, signature) {
      const colon = signature.indexOf(':')
      if (signature.slice(0, colon) !== name) return false
      const raw = fromBase64(signature.slice(colon + 1))
      return raw?.byteLength === SIGNATURE_BYTES && verify(null, Buffer.from(text_), key, raw)
    },
  }
}

/** Whether a text has the form of a `Sig` value; whose it is, and whether it is good, its key tells. */
export function isSignature(text: string): boolean {
  return SIGNATURE.test(text)
}

/** Of `signatures`, a good one of each key over this fingerprint: one of each, because a key can make any number of them. */
export function goodSignatures(
  signed: string,
  signatures: readonly string[],
  keys: readonly VerifyingKey[],
): readonly string[] {
  const good = keys.map((key) => signatures.find((signature) => key.verify(signed, signature)))
  return [...new Set(good.filter((signature) => signature !== undefined))]
}

/** Whether a key may be called this: letters, digits, `.`, `_` and `-`. */
export function isKeyName(text: string): boolean {
  return KEY_NAME.test(text)
}

/** A fresh secret key, in the form `parseSecretKey` reads. */
export function generateSecretKey(name: string): string {
  const { privateKey } = generateKeyPairSync('ed25519')
  const seed = privateKey.export({ format: 'der', type: 'pkcs8' }).subarray(-SEED_BYTES)
  return `${name}:${Buffer.concat([seed, publicBytesOf(privateKey)]).toString('base64')}`
}

const SEED_BYTES = 32
const PUBLIC_BYTES = 32
const SIGNATURE_BYTES = 64

// Everything of the DER forms but the key itself (RFC 8410 §10.3, §4).
const PKCS8_PREFIX = Buffer.from('302e020100300506032b657004220420', 'hex')
const SPKI_PREFIX = Buffer.from('302a300506032b6570032100', 'hex')

function privateKeyOf(seed: Uint8Array): KeyObject {
  return createPrivateKey({ key: Buffer.concat([PKCS8_PREFIX, seed]), format: 'der', type: 'pkcs8' })
}

function publicBytesOf(secret: KeyObject): Buffer {
  return createPublicKey(secret).export({ format: 'der', type: 'spki' }).subarray(-PUBLIC_BYTES)
}

const SIGNATURE = /^[^\s:]{1,256}:[0-9A-Za-z+/]{1,256}={0,2}$/
const KEY_NAME = /^[0-9A-Za-z._-]{1,256}$/
const KEY = /^(?<name>[^:]*):(?<base64>[0-9A-Za-z+/]+={0,2})$/

function splitKey(text: string, sizeBytes: number): { readonly name: string; readonly bytes: Buffer } {
  const groups = KEY.exec(text.trim())?.groups
  const [name, base64] = [groups?.['name'], groups?.['base64']]
  const bytes = base64 === undefined ? undefined : fromBase64(base64)
  if (name === undefined || !isKeyName(name) || bytes?.byteLength !== sizeBytes)
    throw new Error(`a key is name:base64 of ${sizeBytes} bytes`)
  return { name, bytes }
}

/** Bytes of base64 that is spelled in its one way: Buffer alone skips what it does not know. */
function fromBase64(text: string): Buffer | undefined {
  const bytes = Buffer.from(text, 'base64')
  return bytes.toString('base64') === text ? bytes : undefined
}
