import { describe, expect, it } from 'vitest'

import { normalizeProjectName, parseProjectName } from '../../../protocols/python/project-name.ts'
import { hasCode } from '../../../src/errors.ts'

describe('Python project names', () => {
  it.each([
    ['My.Pkg_x', 'my-pkg-x'],
    ['foo--bar__baz..q', 'foo-bar-baz-q'],
    ['Jinja2', 'jinja2'],
    ['zope.interface', 'zope-interface'],
    ['a-_.b', 'a-b'],
    ['simple', 'simple'],
  ])('normalise %s to %s', (typed, normalized) => {
    expect(parseProjectName(typed)).toEqual({ typed, normalized })
  })

  it('stay as they are once they are normalised', () => {
    expect(normalizeProjectName(normalizeProjectName('A__b.-C'))).toBe('a-b-c')
  })

  it.each([
    '',
    '.',
    '..',
    '-a',
    'a-',
    '_a',
    'a.',
    'a b',
    'a/b',
    '../a',
    'a\\b',
    'a\0',
    'a\r\nb',
    'a\n',
    'é',
    'foo-bár',
    'ſimple',
    '<b>',
    'a&b',
    'a%2fb',
    'x'.repeat(256),
  ])('are refused outside the grammar: %j', (typed) => {
    expect(() => parseProjectName(typed)).toThrow(expect.toSatisfy((error) => hasCode(error, 'INVALID_NAME')))
  })
})
