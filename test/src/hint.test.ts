import { describe, expect, it } from 'vitest'

import { hint } from '../../src/hint.ts'

describe('hint', () => {
  it('names the nearest known word when it is near', () => {
    expect(hint('lisen-addr', ['listen-addr', 'verbose'])).toBe(' (did you mean listen-addr?)')
  })

  it('is silent when nothing is near', () => {
    expect(hint('abc', ['listen-addr'])).toBe('')
    expect(hint('abc', [])).toBe('')
  })

  it('does not look for a word that is longer than any of ours', () => {
    expect(hint('a'.repeat(1_000_000), ['a'.repeat(1_000_000)])).toBe('')
  })
})
