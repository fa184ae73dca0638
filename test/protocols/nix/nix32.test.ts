import fc from 'fast-check'
import { describe, expect, it } from 'vitest'

import { decodeNix32, encodeNix32, hexOfNix32, nix32OfHex } from '../../../protocols/nix/nix32.ts'
import { sha256Nix32 } from '../../helpers/nar.ts'

describe('nix32', () => {
  it('spells the sha256 of nothing as Nix does', () => {
    expect(nix32OfHex('e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855')).toBe(
      '0mdqa9w1p6cmli6976v4wi0sw9r4p5prkj7lzfd1877wk11c9c73',
    )
  })

  it('spells the archive hash of hello-2.10 as cache.nixos.org does', () => {
    const hex = '91e129ac1959d062ad093d2b1f8b65afae0f712056fe3eac78ec530ff6a1bb9a'
    expect(nix32OfHex(hex)).toBe('16mvl7v0ylzcg2n3xzjn41qhzbmgcn5iyarx16nn5l2r36n2kqci')
    expect(hexOfNix32(nix32OfHex(hex))).toBe(hex)
  })

  it('agrees with the definition by division for any sha256', () => {
    fc.assert(
      fc.property(fc.uint8Array(), (bytes) => {
        const hex = hexOfNix32(sha256Nix32(bytes))
        expect(hex).toMatch(/^[0-9a-f]{64}$/)
        expect(nix32OfHex(hex ?? '')).toBe(sha256Nix32(bytes))
      }),
    )
  })

  it('gives back the bytes of any length', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 80 }), (bytes) => {
        expect(decodeNix32(encodeNix32(bytes), bytes.byteLength)).toEqual(bytes)
      }),
    )
  })

  it('reads each text in one way only: what it accepts it would write', () => {
    const digits = fc.constantFrom(...'0123456789abcdefghijklmnopqrstuvwxyzE '.split(''))
    fc.assert(
      fc.property(fc.string({ unit: digits, minLength: 52, maxLength: 52 }), (text) => {
        const bytes = decodeNix32(text, 32)
        if (bytes !== undefined) expect(encodeNix32(bytes)).toBe(text)
      }),
    )
  })

  it.each([
    ['a digit that is none', `e${'0'.repeat(51)}`],
    ['a capital', `A${'0'.repeat(51)}`],
    ['spare bits that are not zero', `z${'0'.repeat(51)}`],
    ['too short', '0'.repeat(51)],
    ['too long', '0'.repeat(53)],
    ['empty', ''],
  ])('refuses %s', (_, text) => {
    expect(hexOfNix32(text)).toBeUndefined()
  })
})
