import fc from 'fast-check'
import { describe, expect, it } from 'vitest'

import { createBase64Decoder } from '../../../protocols/npm/base64.ts'

function decode(...texts: string[]): Buffer {
  const decoder = createBase64Decoder()
  const pieces = texts.map((text) => decoder.push(Buffer.from(text)))
  decoder.end()
  return Buffer.concat(pieces)
}

describe('base64 in pieces', () => {
  it('decodes to what was encoded, wherever it is cut', () => {
    const input = fc.tuple(fc.uint8Array({ maxLength: 200 }), fc.array(fc.nat(300), { maxLength: 8 }))
    fc.assert(
      fc.property(input, ([bytes, cuts]) => {
        const text = Buffer.from(bytes).toString('base64')
        const at = [0, ...cuts.map((cut) => Math.min(cut, text.length)).sort((a, b) => a - b), text.length]
        const pieces = at.slice(1).map((end, index) => text.slice(at[index], end))
        expect(decode(...pieces).equals(Buffer.from(bytes))).toBe(true)
      }),
    )
  })

  it.each([
    ['Q'],
    ['QUI'],
    ['QUJD', 'Q'],
    ['QQ=='.slice(0, 3)],
    ['QQ==', 'QUJD'],
    ['QQ==QQ=='],
    ['Q==='],
    ['===='],
    ['Q=Q='],
    ['QU JD'],
    ['QU\nJDQQ='],
    ['{"a":1}='],
    ['QUJD\0\0\0\0'],
    ['éééé'],
  ])('refuses %j', (...texts) => {
    expect(() => decode(...texts)).toThrow(expect.objectContaining({ code: 'BAD_REQUEST' }))
  })
})
