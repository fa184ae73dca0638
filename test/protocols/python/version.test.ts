import fc from 'fast-check'
import { describe, expect, it } from 'vitest'

import { compareVersions, parseVersion, type Version } from '../../../protocols/python/version.ts'

/** The order that PEP 440 and packaging's own tests give. */
const ASCENDING = (
  '1.0.dev456 1.0a1 1.0a2.dev456 1.0a12.dev456 1.0a12 1.0b1.dev456 1.0b2 1.0b2.post345.dev456 1.0b2.post345 1.0rc1.dev456 ' +
  '1.0rc1 1.0 1.0+abc.5 1.0+abc.7 1.0+5 1.0.post456.dev34 1.0.post456 1.0.15 1.1.dev1 1!0.1'
).split(' ')

function version(spelling: string): Version {
  const parsed = parseVersion(spelling)
  if (parsed === undefined) throw new Error(`${spelling} does not parse`)
  return parsed
}

describe('PEP 440 versions', () => {
  it('sort as packaging sorts them', () => {
    for (const [left, a] of ASCENDING.entries()) {
      for (const [right, b] of ASCENDING.entries()) {
        expect([a, b, Math.sign(compareVersions(version(a), version(b)))]).toEqual([a, b, Math.sign(left - right)])
      }
    }
  })

  it.each([
    ['1.0', '1.0'],
    ['v2.3', '2.3'],
    ['01.02', '1.2'],
    ['0!2.0', '2.0'],
    ['1.0-1', '1.0.post1'],
    ['1.0RC1', '1.0rc1'],
    ['1.0c2', '1.0rc2'],
    ['1.0-preview_3', '1.0rc3'],
    ['1.0.alpha', '1.0a0'],
    ['1.0beta.4', '1.0b4'],
    ['1.0-r4', '1.0.post4'],
    ['1.0.rev', '1.0.post0'],
    ['1.0_dev2', '1.0.dev2'],
    ['1.0+Ubuntu-1_007', '1.0+ubuntu.1.7'],
    ['2!1.0a1.post2.dev3+l.4', '2!1.0a1.post2.dev3+l.4'],
    ['20240101123456789012345', '20240101123456789012345'],
  ])('spell %s as %s', (spelling, text) => {
    expect(parseVersion(spelling)?.text).toBe(text)
  })

  it.each([
    ['1.0', '1.0.0'],
    ['1', '1.0'],
    ['2.3', 'v2.3.0'],
    ['1.0-1', '1.0.post1'],
    ['1.0+abc.5', '1.0+ABC-5'],
  ])('count %s and %s as one', (a, b) => {
    expect(compareVersions(version(a), version(b))).toBe(0)
  })

  it.each([
    '',
    ' ',
    'x',
    '1.x',
    '1..0',
    '1.0-',
    '1.0+',
    '1.0+a..b',
    '1.0a1b2',
    '1.0 1',
    '1.0\n2',
    '2004d',
    '1.0/..',
    '١.٠',
    '1'.repeat(257),
  ])('refuse %j', (spelling) => {
    expect(parseVersion(spelling)).toBeUndefined()
  })

  it('parse their own spelling to the same version', () => {
    const number = fc.bigInt({ min: 0n, max: 10n ** 20n })
    const spelling = fc
      .tuple(
        number,
        fc.array(number, { minLength: 1, maxLength: 5 }),
        fc.constantFrom('', 'a1', 'b2', 'rc3'),
        fc.constantFrom('', '.post1'),
        fc.constantFrom('', '.dev7', '+x.1'),
      )
      .map(([epoch, release, pre, post, rest]) => `${epoch}!${release.join('.')}${pre}${post}${rest}`)
    fc.assert(
      fc.property(spelling, (text) => {
        const parsed = version(text)
        expect(version(parsed.text)).toEqual(parsed)
        expect(compareVersions(parsed, version(text))).toBe(0)
      }),
    )
  })
})
