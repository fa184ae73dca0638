import { describe, expect, it } from 'vitest'

import {
  addNixValue,
  addNixWord,
  nixIncludes,
  nixList,
  nixValue,
  nixWords,
  removeNixValue,
  removeNixWord,
} from '../../../cmd/config-files/nix-conf.ts'

describe('a list in nix.conf', () => {
  it('gets a line of its own at the end, so that nothing below replaces it', () => {
    const text = 'extra-substituters = a\n# why\nsubstituters = b c'
    expect(addNixWord(text, 'substituters', 'd')).toBe(`${text}\nextra-substituters = d\n`)
  })

  it('stays as it is when the word is there, in either spelling of the setting', () => {
    expect(addNixWord('substituters = a b # c\n', 'substituters', 'b')).toBe('substituters = a b # c\n')
    expect(addNixWord('extra-substituters = b\n', 'substituters', 'b')).toBe('extra-substituters = b\n')
    expect(nixWords('substituters = a # b\r\nextra-substituters = c\r\n', 'substituters')).toEqual(['a', 'c'])
  })

  it('loses a word, and the line when it had no other', () => {
    expect(removeNixWord('x = 1\nextra-substituters = a\n', 'substituters', 'a')).toBe('x = 1\n')
    expect(removeNixWord('extra-substituters = a  b # both\r\n', 'substituters', 'a')).toBe(
      'extra-substituters = b # both\r\n',
    )
    expect(removeNixWord('substituters = a\n', 'substituters', 'a')).toBe('substituters = a\n')
  })
})

describe('a value in nix.conf', () => {
  it('is set only where none is, and removed only where it is this one', () => {
    expect(addNixValue('#netrc-file = x\n', 'netrc-file', '/h/.netrc')).toBe(
      '#netrc-file = x\nnetrc-file = /h/.netrc\n',
    )
    expect(addNixValue('netrc-file = x\n', 'netrc-file', '/h/.netrc')).toBe('netrc-file = x\n')
    expect(nixValue('netrc-file = a\nnetrc-file = b # c\n', 'netrc-file')).toBe('b')
    expect(removeNixValue('netrc-file = a\nnetrc-file = b\n', 'netrc-file', 'b')).toBe('netrc-file = a\n')
  })
})

describe('several files', () => {
  it('count in their order: a list is replaced, or added to', () => {
    const texts = ['trusted-public-keys = a b\n', 'extra-trusted-public-keys = c a\n']
    expect(nixList(texts, 'trusted-public-keys', ['d'])).toEqual(['a', 'b', 'c'])
    expect(nixList(texts.slice(1), 'trusted-public-keys', ['d'])).toEqual(['d', 'c', 'a'])
    expect(nixList(texts.toReversed(), 'trusted-public-keys', ['d'])).toEqual(['a', 'b'])
  })

  it('are named where one includes another', () => {
    expect(nixIncludes('include a.conf # mine\n  !include /b\nincluded = x\n# include c\n')).toEqual(['a.conf', '/b'])
  })
})
