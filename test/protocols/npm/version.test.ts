import fc from 'fast-check'
import { describe, expect, it } from 'vitest'

import {
  highestVersion,
  parseSelector,
  parseTag,
  parseVersion,
  publishedVersion,
} from '../../../protocols/npm/version.ts'

describe('a version', () => {
  it.each(['0.0.0', '1.2.3', '1.2.3-beta.1', '10.20.30-rc-1.x'])('is %s', (text) => {
    expect(parseVersion(text)).toBe(text)
  })

  it.each([
    '',
    '1',
    '1.2',
    'v1.2.3',
    '=1.2.3',
    ' 1.2.3',
    '1.2.3+build',
    '01.2.3',
    '1.2.3-',
    '1.2.3-01',
    'latest',
    '^1.2.3',
    '1.2.3/..',
    '__proto__',
  ])('is not %j', (text) => {
    expect(parseVersion(text)).toBeUndefined()
  })

  it('is not longer than 256 characters', () => {
    const version = `1.0.0-${'a'.repeat(250)}`
    expect([parseVersion(version), parseVersion(`${version}a`)]).toEqual([version, undefined])
  })

  it('is what npm publishes of a looser one', () => {
    expect(['v1.2.3', ' =1.2.3 ', '1.2.3+build', 'one'].map(publishedVersion)).toEqual([
      '1.2.3',
      '1.2.3',
      '1.2.3',
      undefined,
    ])
  })
})

describe('a tag', () => {
  it.each(['latest', 'next', 'next-11', 'v1-lts', 'Canary', 'dev_2'])('is %s', (text) => {
    expect(parseTag(text)).toBe(text)
  })

  it.each([
    '',
    '1.0.0',
    'v1.4',
    '^1',
    'x',
    '*',
    '-',
    '-rf',
    '_x',
    '.',
    '..',
    'a b',
    'a/b',
    '__proto__',
    'constructor',
    'é',
  ])('is not %j', (text) => {
    expect(parseTag(text)).toBeUndefined()
  })
})

it('selects by number, else by tag, else nothing', () => {
  expect(parseSelector('1.0.0')).toEqual({ version: '1.0.0' })
  expect(parseSelector('latest')).toEqual({ tag: 'latest' })
  expect(parseSelector('>=1')).toBeUndefined()
})

it('prefers a release to a prerelease, and a high one to a low one', () => {
  expect(highestVersion(['1.0.0', '1.10.0', '2.0.0-rc.1', '1.9.0'])).toBe('1.10.0')
  expect(highestVersion(['2.0.0-rc.1', '2.0.0-rc.2'])).toBe('2.0.0-rc.2')
  expect(highestVersion([])).toBeUndefined()
})

it('answers any text in the grammar with itself, and never throws', () => {
  fc.assert(
    fc.property(fc.string({ maxLength: 300 }), (text) => {
      for (const parsed of [parseVersion(text), parseTag(text)]) expect([undefined, text]).toContain(parsed)
      publishedVersion(text)
    }),
    { numRuns: 2000 },
  )
})
