import { generateKeyPairSync, verify } from 'node:crypto'

import fc from 'fast-check'
import { describe, expect, it } from 'vitest'

import { parsePublicKey, parsePublicKeyBlob, type PublicKey } from '../../auth/public-key.ts'
import { joseSignature } from '../../auth/signature.ts'
import { writeString } from '../../auth/ssh-wire.ts'
import { hasCode } from '../../src/errors.ts'

/** A signature whose r begins with a sign byte, and whose s is a byte short. */
const SSH =
  '0000002100b7bf3e8f438f52597beb27087a528c1cae52e9293f48f02e1653ac41016f6a8b0000001f7af954df1c20ffe26bd94dfcd79d319283d3e8284d880f21fbb0be26e270a6'
const JOSE =
  'b7bf3e8f438f52597beb27087a528c1cae52e9293f48f02e1653ac41016f6a8b007af954df1c20ffe26bd94dfcd79d319283d3e8284d880f21fbb0be26e270a6'
const X = 'PrFhkEZfZlWWRiWt0MUqlTjndLnVu3XZelfkKtlOvQ0'
const Y = 'WueuKBA65wGFHWixAAceXlffAQbtqBlDRQZy0e5cNG0'

describe('the signature of an SSH agent', () => {
  const p256 = ecKey('nistp256', Buffer.from(X, 'base64url'), Buffer.from(Y, 'base64url'))
  const ed25519 = parsePublicKey('ssh-ed25519', 'AAAAC3NzaC1lZDI1NTE5AAAAIAOhB7/zzhC+HXDdGOdLwJln5NYwm6UNXx3chmQSVTG4')

  it('has its ECDSA numbers padded to the size of the curve', () => {
    const signature = joseSignature(p256, 'ES256', answer('ecdsa-sha2-nistp256', Buffer.from(SSH, 'hex')))
    expect(Buffer.from(signature ?? []).toString('hex')).toBe(JOSE)
    const key = { key: p256.key, dsaEncoding: 'ieee-p1363' } as const
    expect(verify('sha256', Buffer.from('m207'), key, signature ?? Buffer.alloc(0))).toBe(true)
  })

  it('is as it is for Ed25519, and nothing but 64 bytes long', () => {
    const value = Buffer.alloc(64, 7)
    expect(joseSignature(ed25519, 'EdDSA', answer('ssh-ed25519', value))).toEqual(value)
    for (const length of [0, 63, 65])
      expect(reasonOf(ed25519, 'EdDSA', answer('ssh-ed25519', Buffer.alloc(length)))).toBe(
        'the SSH agent answered with no ssh-ed25519 signature',
      )
  })

  it('is none of ours when it names another algorithm', () => {
    expect(joseSignature(ed25519, 'EdDSA', answer('ssh-rsa', Buffer.alloc(64)))).toBe(undefined)
    expect(joseSignature(p256, 'ES256', answer('ecdsa-sha2-nistp384', Buffer.from(SSH, 'hex')))).toBe(undefined)
  })

  it.each([
    ['zero', numbers(Buffer.alloc(0), Buffer.of(1))],
    ['a negative number', numbers(Buffer.of(0x80), Buffer.of(1))],
    ['a number with a zero too many', numbers(Buffer.of(0, 1), Buffer.of(1))],
    ['a number larger than the curve', numbers(Buffer.alloc(33, 1), Buffer.of(1))],
    ['one number', numbers(Buffer.of(1))],
    ['three numbers', numbers(Buffer.of(1), Buffer.of(1), Buffer.of(1))],
    ['a byte after them', Buffer.concat([numbers(Buffer.of(1), Buffer.of(1)), Buffer.of(0)])],
    ['nothing', Buffer.alloc(0)],
  ])('is refused with %s in place of the two ECDSA numbers', (_what, value) => {
    expect(reasonOf(p256, 'ES256', answer('ecdsa-sha2-nistp256', value))).toBe(
      'the SSH agent answered with no ecdsa-sha2-nistp256 signature',
    )
  })

  it('is refused clearly, whatever bytes it has', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 100 }), (bytes) => {
        expect(['', 'the SSH agent answered with no ssh-ed25519 signature']).toContain(
          reasonOf(ed25519, 'EdDSA', bytes),
        )
      }),
      { numRuns: 500, verbose: 1 },
    )
  })
})

describe('an RSA signature of an SSH agent', () => {
  const rsa = parsePublicKeyBlob(rsaBlob())
  const value = Buffer.alloc(255, 1)

  it('gets back the zeros that old agents leave out', () => {
    const signature = joseSignature(rsa, 'RS512', answer('rsa-sha2-512', value))
    expect(Buffer.from(signature ?? [])).toEqual(Buffer.concat([Buffer.of(0), value]))
    for (const length of [0, 257])
      expect(reasonOf(rsa, 'RS512', answer('rsa-sha2-512', Buffer.alloc(length)))).toBe(
        'the SSH agent answered with no ssh-rsa signature',
      )
  })

  it('counts for the algorithm that was asked for only, and never with SHA-1', () => {
    expect(joseSignature(rsa, 'RS512', answer('rsa-sha2-256', value))).toBe(undefined)
    expect(joseSignature(rsa, 'RS256', answer('rsa-sha2-512', value))).toBe(undefined)
    for (const algorithm of ['RS512', 'RS256', 'none'])
      expect(joseSignature(rsa, algorithm, answer('ssh-rsa', value))).toBe(undefined)
  })
})

/** Why a signature is refused; empty when it is one, or one of another algorithm. */
function reasonOf(key: PublicKey, algorithm: string, signature: Uint8Array): string {
  try {
    joseSignature(key, algorithm, signature)
    return ''
  } catch (error) {
    if (hasCode(error, 'UNAUTHENTICATED')) return error.message
    throw error
  }
}

function answer(name: string, value: Uint8Array): Uint8Array {
  return Buffer.concat([writeString(Buffer.from(name)), writeString(value)])
}

function numbers(...values: readonly Uint8Array[]): Uint8Array {
  return Buffer.concat(values.map(writeString))
}

function ecKey(curve: string, x: Uint8Array, y: Uint8Array): PublicKey {
  const fields = [Buffer.from(`ecdsa-sha2-${curve}`), Buffer.from(curve), Buffer.concat([Buffer.of(4), x, y])]
  return parsePublicKeyBlob(numbers(...fields))
}

function rsaBlob(): Uint8Array {
  const { n = '' } = generateKeyPairSync('rsa', { modulusLength: 2048 }).publicKey.export({ format: 'jwk' })
  const modulus = Buffer.concat([Buffer.of(0), Buffer.from(n, 'base64url')])
  return numbers(Buffer.from('ssh-rsa'), Buffer.of(1, 0, 1), modulus)
}
