import { verify } from 'node:crypto'

import { DepotError } from '../src/errors.ts'
import { joseSignature } from './signature.ts'
import { parsePublicKeyBlob, type PublicKey } from './public-key.ts'
import type { Signer } from './signer.ts'
import { readStrings, readUint32, takeStrings, writeString, writeUint32 } from './ssh-wire.ts'

/** sha256 and sha512 of what is signed, in hex: a signature says which of them it is over. */
export interface SignedDigests {
  readonly sha256: string
  readonly sha512: string
}

/** A signature as `ssh-keygen -Y sign` writes it. */
export interface SshSignature {
  /** Whose it claims to be. */
  readonly key: PublicKey
  /** Whether this key made it, over these digests and for this purpose. */
  verify(namespace: string, digests: SignedDigests): boolean
}

/**
 * Sign with an SSH key in the form that `ssh-keygen -Y verify` checks (OpenSSH's PROTOCOL.sshsig): its hash is sha512.
 *
 * @param namespace what the signature is for, so that one made for something else is not taken for it
 * @throws DepotError `UNAUTHENTICATED` when the key's holder does not sign, or with SHA-1 only
 */
export async function signWithSsh(signer: Signer, namespace: string, digests: SignedDigests): Promise<string> {
  const [type = '', base64 = ''] = signer.publicKey.split(' ')
  for (const algorithm of signer.algorithms) {
    const signature = await signer.sign(algorithm, signedBytes(namespace, 'sha512', digests.sha512))
    if (signature === undefined) continue
    const value = writeStrings(sshName(type, algorithm), sshValue(type, signature))
    const fields = writeStrings(Buffer.from(base64, 'base64'), namespace, '', 'sha512', value)
    return armored(Buffer.concat([MAGIC, writeUint32(VERSION), fields]))
  }
  throw new DepotError('UNAUTHENTICATED', `the agent signs with ${type} key ${signer.fingerprint} in an old way only`)
}

/**
 * Read one signature, and nothing but it.
 *
 * @throws DepotError `INVALID_NAME` when it is none, or by a key of a kind that is not taken
 */
export function readSshSignature(text: string): SshSignature {
  const base64 = ARMOR.exec(text)?.groups?.['base64']?.replaceAll(/\r?\n/g, '')
  const bytes = Buffer.from(base64 ?? '', 'base64')
  if (base64 === undefined || bytes.toString('base64') !== base64 || bytes.indexOf(MAGIC) !== 0) throw malformed()
  const rest = bytes.subarray(MAGIC.length)
  if (readUint32(rest) !== VERSION) throw malformed()
  const fields = readStrings(rest.subarray(4), 5)
  const [blob, namespace, reserved, hash, value] = fields
  if (blob === undefined || namespace === undefined || reserved?.length !== 0 || hash === undefined) throw malformed()
  if (value === undefined) throw malformed()
  const key = parsePublicKeyBlob(blob)
  return { key, verify: (wanted, digests) => isGood({ key, namespace, hash, value }, wanted, digests) }
}

const MAGIC = Buffer.from('SSHSIG')
const VERSION = 1
const ARMOR =
  /^-----BEGIN SSH SIGNATURE-----\r?\n(?<base64>(?:[0-9A-Za-z+/=]{1,76}\r?\n){1,1000})-----END SSH SIGNATURE-----\r?\n?$/
const LINE_CHARS = 70

/** RSA signs with the two hashes that PROTOCOL.sshsig allows; the others have one name each. */
const JOSE: Readonly<Record<string, { readonly algorithm: string; readonly hash: string | null }>> = {
  'ssh-ed25519': { algorithm: 'EdDSA', hash: null },
  'ecdsa-sha2-nistp256': { algorithm: 'ES256', hash: 'sha256' },
  'ecdsa-sha2-nistp384': { algorithm: 'ES384', hash: 'sha384' },
  'ecdsa-sha2-nistp521': { algorithm: 'ES512', hash: 'sha512' },
  'rsa-sha2-512': { algorithm: 'RS512', hash: 'sha512' },
  'rsa-sha2-256': { algorithm: 'RS256', hash: 'sha256' },
}

interface Fields {
  readonly key: PublicKey
  readonly namespace: Uint8Array
  readonly hash: Uint8Array
  readonly value: Uint8Array
}

function isGood({ key, namespace, hash, value }: Fields, wanted: string, digests: SignedDigests): boolean {
  const hashName = latin1(hash)
  if (latin1(namespace) !== wanted || (hashName !== 'sha256' && hashName !== 'sha512')) return false
  try {
    const name = latin1(takeStrings(value, 1).strings[0] ?? new Uint8Array())
    const jose = Object.hasOwn(JOSE, name) ? JOSE[name] : undefined
    if (jose === undefined || !key.algorithms.includes(jose.algorithm)) return false
    const signature = joseSignature(key, jose.algorithm, value)
    if (signature === undefined) return false
    const signed = signedBytes(wanted, hashName, digests[hashName])
    return verify(jose.hash, signed, { key: key.key, dsaEncoding: 'ieee-p1363' }, signature)
  } catch (error) {
    if (error instanceof DepotError) return false
    throw error
  }
}

function signedBytes(namespace: string, hash: string, digestHex: string): Uint8Array {
  return Buffer.concat([MAGIC, writeStrings(namespace, '', hash, Buffer.from(digestHex, 'hex'))])
}

function sshName(type: string, algorithm: string): string {
  if (type !== 'ssh-rsa') return type
  return algorithm === 'RS512' ? 'rsa-sha2-512' : 'rsa-sha2-256'
}

/** What JOSE writes as two numbers of one length, SSH writes as two with a length each. */
function sshValue(type: string, signature: Uint8Array): Uint8Array {
  if (!type.startsWith('ecdsa-')) return signature
  const half = signature.length / 2
  return writeStrings(mpint(signature.subarray(0, half)), mpint(signature.subarray(half)))
}

/** Shortest form, and with a sign (RFC 4251 §5). */
function mpint(digits: Uint8Array): Uint8Array {
  const first = digits.findIndex((digit) => digit !== 0)
  const short = first === -1 ? digits.subarray(0, 0) : digits.subarray(first)
  return (short[0] ?? 0) < 0x80 ? short : Buffer.concat([Buffer.of(0), short])
}

function writeStrings(...fields: readonly (string | Uint8Array)[]): Uint8Array {
  return Buffer.concat(fields.map((field) => writeString(typeof field === 'string' ? Buffer.from(field) : field)))
}

function armored(bytes: Uint8Array): string {
  const lines =
    Buffer.from(bytes)
      .toString('base64')
      .match(new RegExp(`.{1,${LINE_CHARS}}`, 'g')) ?? []
  return `-----BEGIN SSH SIGNATURE-----\n${lines.join('\n')}\n-----END SSH SIGNATURE-----\n`
}

function latin1(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('latin1')
}

function malformed(): DepotError {
  return new DepotError('INVALID_NAME', 'not a signature as ssh-keygen -Y sign writes it')
}
