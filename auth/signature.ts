import { DepotError } from '../src/errors.ts'
import type { KeyType, PublicKey } from './public-key.ts'
import { readPositive, readStrings } from './ssh-wire.ts'

/**
 * The bytes that JOSE wants (RFC 7518 §3.3, §3.4; RFC 8037 §3.1) of a signature that an SSH agent made (RFC 4253 §6.6, RFC 5656
 * §3.1.2, RFC 8332 §3, RFC 8709 §6).
 *
 * @param algorithm the JOSE algorithm that was asked for
 * @returns undefined when the signature is of another algorithm: an agent that knows no flags signs RSA with SHA-1, as `ssh-rsa`.
 * @throws DepotError `UNAUTHENTICATED` when it is not a signature by such a key.
 */
export function joseSignature(key: PublicKey, algorithm: string, signature: Uint8Array): Uint8Array | undefined {
  try {
    const [name = new Uint8Array(), value = new Uint8Array()] = readStrings(signature, 2)
    if (Buffer.from(name).toString('latin1') !== sshName(key.type, algorithm)) return undefined
    return valueOf(key, value)
  } catch (error) {
    if (error instanceof DepotError) throw notASignature(key, error)
    throw error
  }
}

const ED25519_SIGNATURE_BYTES = 64
/** Size of a number of the curve, in bytes (RFC 7518 §3.4). */
const CURVE_BYTES: Readonly<Partial<Record<KeyType, number>>> = {
  'ecdsa-sha2-nistp256': 32,
  'ecdsa-sha2-nistp384': 48,
  'ecdsa-sha2-nistp521': 66,
}

function valueOf(key: PublicKey, value: Uint8Array): Uint8Array {
  const curveBytes = CURVE_BYTES[key.type]
  if (curveBytes !== undefined) {
    const numbers = readStrings(value, 2)
    if (numbers.length !== 2) throw notASignature(key)
    return Buffer.concat(numbers.map((number) => leftPad(key, readPositive(number), curveBytes)))
  }
  if (key.type === 'ssh-rsa')
    return leftPad(key, value, Math.ceil((key.key.asymmetricKeyDetails?.modulusLength ?? 0) / 8))
  if (value.length !== ED25519_SIGNATURE_BYTES) throw notASignature(key)
  return value
}

/** Old agents leave the zeros before an RSA signature out (RFC 8332 §3). */
function leftPad(key: PublicKey, digits: Uint8Array, size: number): Uint8Array {
  if (digits.length === 0 || digits.length > size) throw notASignature(key)
  return Buffer.concat([Buffer.alloc(size - digits.length), digits])
}

function sshName(type: KeyType, algorithm: string): string {
  if (type !== 'ssh-rsa') return type
  return algorithm === 'RS512' ? 'rsa-sha2-512' : 'rsa-sha2-256'
}

function notASignature({ type }: PublicKey, cause?: DepotError): DepotError {
  return new DepotError('UNAUTHENTICATED', `the SSH agent answered with no ${type} signature`, { cause })
}
