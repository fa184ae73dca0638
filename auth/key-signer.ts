import { createPublicKey, type JsonWebKey, type KeyObject, sign } from 'node:crypto'

import { DepotError } from '../src/errors.ts'
import { parsePublicKeyBlob, printPublicKey, type PublicKey } from './public-key.ts'
import type { Signer } from './signer.ts'
import { writeString } from './ssh-wire.ts'

/**
 * A signer whose private key is in memory.
 *
 * @throws DepotError `INVALID_NAME` naming the type of a key that logins cannot be signed with.
 */
export function keySigner(privateKey: KeyObject, comment: string): Signer {
  const key = publicKeyOf(privateKey)
  return {
    type: key.type,
    fingerprint: key.fingerprint,
    publicKey: printPublicKey(key),
    comment,
    algorithms: key.algorithms.slice(0, 1),
    sign: (algorithm, input) => signWith(privateKey, algorithm, input),
  }
}

/** RFC 7518 §3.1; Ed25519 hashes by itself. */
const HASHES: Readonly<Record<string, string>> = { RS512: 'sha512', ES256: 'sha256', ES384: 'sha384', ES512: 'sha512' }

/** What OpenSSL, and what SSH calls the curves. */
const CURVES: Readonly<Record<string, string>> = {
  prime256v1: 'nistp256',
  secp384r1: 'nistp384',
  secp521r1: 'nistp521',
}

function signWith(key: KeyObject, algorithm: string, input: Uint8Array): Promise<Uint8Array> {
  const { promise, resolve, reject } = Promise.withResolvers<Uint8Array>()
  sign(HASHES[algorithm] ?? null, input, { key, dsaEncoding: 'ieee-p1363' }, (error, signature) =>
    error === null ? resolve(signature) : reject(error),
  )
  return promise
}

function publicKeyOf(privateKey: KeyObject): PublicKey {
  const type = privateKey.asymmetricKeyType ?? 'unknown'
  const curve = privateKey.asymmetricKeyDetails?.namedCurve ?? ''
  if (type === 'ed25519') return fromJwk(privateKey, 'ssh-ed25519', ({ x }) => [digits(x)])
  if (type === 'rsa') return fromJwk(privateKey, 'ssh-rsa', ({ e, n }) => [mpint(e), mpint(n)])
  const name = type === 'ec' ? CURVES[curve] : undefined
  if (name === undefined) throw refused(`${type} ${curve}`.trim())
  return fromJwk(privateKey, `ecdsa-sha2-${name}`, ({ x, y }) => [
    Buffer.from(name),
    Buffer.concat([Buffer.of(4), digits(x), digits(y)]),
  ])
}

function fromJwk(privateKey: KeyObject, type: string, fields: (jwk: JsonWebKey) => Uint8Array[]): PublicKey {
  const jwk = createPublicKey(privateKey).export({ format: 'jwk' })
  return parsePublicKeyBlob(Buffer.concat([Buffer.from(type), ...fields(jwk)].map(writeString)))
}

function digits(base64url = ''): Uint8Array {
  return Buffer.from(base64url, 'base64url')
}

/** A positive number that begins with a set bit would be read as a negative one (RFC 4251 §5). */
function mpint(base64url = ''): Uint8Array {
  const number = digits(base64url)
  return (number[0] ?? 0) < 0x80 ? number : Buffer.concat([Buffer.of(0), number])
}

function refused(type: string): DepotError {
  return new DepotError('INVALID_NAME', `${type} keys are refused; make one with: ssh-keygen -t ed25519`)
}
