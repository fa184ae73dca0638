import { createHash, createPublicKey, type JsonWebKey, type KeyObject } from 'node:crypto'

import { DepotError } from '../src/errors.ts'
import { LIMITS } from '../src/limits.ts'
import { readPositive, readStrings } from './ssh-wire.ts'

/** The types of keys that logins may be signed with, as SSH names them. */
export type KeyType = 'ssh-ed25519' | 'ecdsa-sha2-nistp256' | 'ecdsa-sha2-nistp384' | 'ecdsa-sha2-nistp521' | 'ssh-rsa'

/** An SSH public key whose logins this depot takes. */
export interface PublicKey {
  readonly type: KeyType
  /** `SHA256:` and 43 characters of base64, as `ssh-keygen -l` prints it. */
  readonly fingerprint: string
  /** The JOSE algorithms that a login signed by this key may name (RFC 7518 §3.1, RFC 8037, RFC 9864), the usual one first. */
  readonly algorithms: readonly string[]
  readonly key: KeyObject
  /** The whole key as SSH writes it (RFC 4253 §6.6), which an agent knows it by. */
  readonly blob: Uint8Array
}

/**
 * Read the `<type> <base64>` of an SSH public key. There is exactly one text for each key, so it has one fingerprint.
 *
 * @throws DepotError `INVALID_NAME` naming the type, when it is not one of ours or the base64 is not a key of this type.
 */
export function parsePublicKey(type: string, base64: string): PublicKey {
  if (type.length + base64.length > LIMITS.sshKeyBytesMax) throw refused('a key', 'is longer than any SSH public key')
  const keyType = parseKeyType(type)
  const blob = Buffer.from(base64, 'base64')
  if (blob.toString('base64') !== base64) throw refused(keyType, 'has a key that is not base64')
  return readPublicKey(keyType, blob)
}

/**
 * Read an SSH public key from its bytes, as an agent lists it.
 *
 * @throws DepotError `INVALID_NAME` naming the type.
 */
export function parsePublicKeyBlob(blob: Uint8Array): PublicKey {
  if (blob.length > LIMITS.sshKeyBytesMax) throw refused('a key', 'is longer than any SSH public key')
  return readPublicKey(parseKeyType(typeOfBlob(blob)), blob)
}

/** `<type> <base64>`, as an auth file holds it: what `parsePublicKey` reads. */
export function printPublicKey({ type, blob }: Pick<PublicKey, 'type' | 'blob'>): string {
  return `${type} ${Buffer.from(blob).toString('base64')}`
}

const FIELDS_MAX = 3
const ED25519_BYTES = 32
const UNCOMPRESSED = 0x04
const RSA_BITS_MIN = 2048
/** What OpenSSL itself verifies with. */
const RSA_BITS_MAX = 16_384
/** OpenSSL's bound on the public exponent of a large key; real ones are 65537. */
const RSA_EXPONENT_BYTES_MAX = 8
const NEW_KEY = 'make one with: ssh-keygen -t ed25519'

interface Shape {
  readonly algorithms: readonly string[]
  /** The key's own fields, after its type. */
  readonly jwk: (fields: readonly Uint8Array[]) => JsonWebKey
}

const SHAPES: Readonly<Record<KeyType, Shape>> = {
  'ssh-ed25519': { algorithms: ['EdDSA', 'Ed25519'], jwk: ed25519Jwk },
  'ecdsa-sha2-nistp256': { algorithms: ['ES256'], jwk: (fields) => ecJwk(fields, 'nistp256', 'P-256', 32) },
  'ecdsa-sha2-nistp384': { algorithms: ['ES384'], jwk: (fields) => ecJwk(fields, 'nistp384', 'P-384', 48) },
  'ecdsa-sha2-nistp521': { algorithms: ['ES512'], jwk: (fields) => ecJwk(fields, 'nistp521', 'P-521', 66) },
  'ssh-rsa': { algorithms: ['RS512', 'RS256'], jwk: rsaJwk },
}

function readPublicKey(type: KeyType, blob: Uint8Array): PublicKey {
  const { algorithms, jwk } = SHAPES[type]
  try {
    const [inner = new Uint8Array(), ...fields] = readStrings(blob, FIELDS_MAX)
    if (text(inner) !== type) throw refused(type, 'has a key of another type inside')
    const key = createPublicKey({ key: jwk(fields), format: 'jwk' })
    return { type, fingerprint: fingerprintOf(blob), algorithms, key, blob }
  } catch (error) {
    if (error instanceof DepotError && error.message.startsWith(type)) throw error
    throw refused(type, 'has a key that is cut, padded or not of this type')
  }
}

function parseKeyType(type: string): KeyType {
  if (isKeyType(type)) return type
  if (!/^[a-z0-9@.-]{1,64}$/i.test(type)) throw refused('a key', `has no SSH key type; ${NEW_KEY}`)
  if (type.includes('sk-')) throw refused(type, `is refused: security keys cannot sign these logins; ${NEW_KEY}`)
  if (type.includes('-cert-v')) throw refused(type, 'is a certificate: give the plain public key that it is made of')
  throw refused(type, `keys are refused; ${NEW_KEY}`)
}

function isKeyType(type: string): type is KeyType {
  return Object.hasOwn(SHAPES, type)
}

function typeOfBlob(blob: Uint8Array): string {
  const length = blob.length < 4 ? 0 : Buffer.from(blob.buffer, blob.byteOffset, 4).readUInt32BE()
  return text(blob.subarray(4, 4 + length))
}

function ed25519Jwk([x, ...more]: readonly Uint8Array[]): JsonWebKey {
  if (x?.length !== ED25519_BYTES || more.length > 0) throw misshapen()
  return { kty: 'OKP', crv: 'Ed25519', x: base64url(x) }
}

function ecJwk(
  [curve, point, ...more]: readonly Uint8Array[],
  sshCurve: string,
  crv: string,
  bytes: number,
): JsonWebKey {
  if (curve === undefined || text(curve) !== sshCurve || more.length > 0) throw misshapen()
  if (point?.length !== 1 + 2 * bytes || point[0] !== UNCOMPRESSED) throw misshapen()
  return { kty: 'EC', crv, x: base64url(point.subarray(1, 1 + bytes)), y: base64url(point.subarray(1 + bytes)) }
}

function rsaJwk([e, n, ...more]: readonly Uint8Array[]): JsonWebKey {
  if (e === undefined || n === undefined || more.length > 0) throw misshapen()
  const [exponent, modulus] = [readPositive(e), readPositive(n)]
  const bits = bitLength(modulus)
  if (bits < RSA_BITS_MIN)
    throw refused('ssh-rsa', `of ${bits} bits is refused, ${RSA_BITS_MIN} are needed; ${NEW_KEY}`)
  if (bits > RSA_BITS_MAX) throw refused('ssh-rsa', `of ${bits} bits is refused, ${RSA_BITS_MAX} are the most`)
  if (exponent.length > RSA_EXPONENT_BYTES_MAX || isEven(exponent) || isEven(modulus) || isOne(exponent))
    throw misshapen()
  return { kty: 'RSA', n: base64url(modulus), e: base64url(exponent) }
}

function bitLength([first = 0, ...rest]: Uint8Array): number {
  return 32 - Math.clz32(first) + 8 * rest.length
}

function isEven(digits: Uint8Array): boolean {
  return ((digits.at(-1) ?? 0) & 1) === 0
}

function isOne(digits: Uint8Array): boolean {
  return digits.length === 1 && digits[0] === 1
}

function fingerprintOf(blob: Uint8Array): string {
  return `SHA256:${createHash('sha256').update(blob).digest('base64').replace('=', '')}`
}

function base64url(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('base64url')
}

function text(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('latin1')
}

function misshapen(): DepotError {
  return new DepotError('INVALID_NAME', 'not a key of this type')
}

function refused(type: string, why: string): DepotError {
  return new DepotError('INVALID_NAME', `${type} ${why}`)
}
