import fc from 'fast-check'
import { describe, expect, it } from 'vitest'

import { hashSecret, parseApiToken, printApiToken, SECRET_BYTES, secretText } from '../../auth/api-token.ts'
import { redacted } from '../../src/redact.ts'

const DIGITS = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz'
const digit = fc.constantFrom(...DIGITS.split(''))
const token = fc
  .tuple(
    fc.string({ unit: digit, minLength: 12, maxLength: 12 }),
    fc.uint8Array({ minLength: SECRET_BYTES, maxLength: SECRET_BYTES }),
  )
  .map(([id, bytes]) => ({ id, secret: secretText(bytes) }))

describe('a stored token as text', () => {
  it('is dpt_, id, secret and checksum', () => {
    const secret = secretText(Uint8Array.from({ length: SECRET_BYTES }, (_, index) => index))
    const text = printApiToken({ id: 'AbCdEf012345', secret })
    expect(text).toBe('dpt_AbCdEf012345_003aUlTJC7tjlCTQj2uNU3MFagCXG9LRKRcwGkBIDlf_2y2Dd8')
    expect(text).toHaveLength(67)
    expect(hashSecret(secret).toString('hex')).toMatch(/^[0-9a-f]{64}$/)
  })

  it('is read back as what was printed', () => {
    fc.assert(
      fc.property(token, (parts) => {
        expect(parseApiToken(printApiToken(parts))).toEqual(parts)
      }),
    )
  })

  it('is refused when one character is another one', () => {
    const change = fc.tuple(token, fc.nat(66), digit)
    fc.assert(
      fc.property(change, ([parts, at, character]) => {
        const text = printApiToken(parts)
        fc.pre(text[at] !== character)
        expect(parseApiToken(text.slice(0, at) + character + text.slice(at + 1))).toBeUndefined()
      }),
    )
  })

  it('is refused when it was cut, lengthened or swapped', () => {
    fc.assert(
      fc.property(token, fc.nat(66), (parts, length) => {
        const text = printApiToken(parts)
        for (const wrong of [text.slice(0, length), `${text}0`, `${text}\n`, ` ${text}`, text.toUpperCase()])
          expect(parseApiToken(wrong)).toBeUndefined()
      }),
    )
  })

  it('keeps its length whatever the bytes are', () => {
    for (const byte of [0, 255]) expect(secretText(new Uint8Array(SECRET_BYTES).fill(byte))).toHaveLength(43)
  })

  it('is what logs hide', () => {
    fc.assert(
      fc.property(token, (parts) => {
        const line = redacted(`/-/user/token/${printApiToken(parts)}?x`)
        expect(line).not.toContain(parts.secret)
      }),
    )
  })
})
