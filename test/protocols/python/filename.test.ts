import fc from 'fast-check'
import { describe, expect, it } from 'vitest'

import { findDistribution, parseDistribution } from '../../../protocols/python/filename.ts'
import { hasCode } from '../../../src/errors.ts'

describe('file names of wheels', () => {
  it.each([
    ['some_PACKAGE-1.0-py3-none-any.whl', 'some-package', '1.0'],
    ['Foo.Bar-1.0-py3-none-any.whl', 'foo-bar', '1.0'],
    ['foo_bár-1.0-py3-none-any.whl', 'foo-bár', '1.0'],
    ['my_pkg_x-1.0+local.1-cp311-cp311-manylinux_2_17_x86_64.manylinux2014_x86_64.whl', 'my-pkg-x', '1.0+local.1'],
    ['foo-1!2.0-py3-none-any.whl', 'foo', '1!2.0'],
  ])('%s is %s %s', (filename, project, version) => {
    const parsed = parseDistribution(filename)
    expect([parsed.kind, parsed.project, parsed.version.text]).toEqual(['wheel', project, version])
  })

  it('give the build tag in two parts', () => {
    expect(parseDistribution('foo-1.0-1000-py3-none-any.whl').build).toEqual([1000n, ''])
    expect(parseDistribution('foo-1.0-1abc-py2.py3-none-any.whl').build).toEqual([1n, 'abc'])
    expect(parseDistribution('foo-1.0-py3-none-any.whl').build).toBeUndefined()
  })

  it('stand for every combination of their compressed tags', () => {
    expect(parseDistribution('foo-1.0-1abc-py2.py3-none-any.whl').tags).toEqual(['py2-none-any', 'py3-none-any'])
    expect(parseDistribution('foo-1.0-cp311-cp311-manylinux_2_17_x86_64.manylinux2014_x86_64.whl').tags).toEqual([
      'cp311-cp311-manylinux_2_17_x86_64',
      'cp311-cp311-manylinux2014_x86_64',
    ])
  })

  it.each([
    'foo-1.0.whl',
    'foo-1.0-abc-py3-none-any.whl',
    'foo__bar-1.0-py3-none-any.whl',
    'foo#bar-1.0-py3-none-any.whl',
    'foo-1.x-py3-none-any.whl',
    'foo-1.0-200-py3-none-any-junk.whl',
    'foo-1.0-py3-none-any.WHL',
    'foo- 1.0-py3-none-any.whl',
    'foo-1.0-py3-none-a/ny.whl',
    '-1.0-py3-none-any.whl',
    '.whl',
  ])('refuse %s', refused)
})

describe('file names of sdists', () => {
  it.each([
    ['a-b-1.0.tar.gz', 'a-b', '1.0'],
    ['python-dateutil-2.9.0.post0.tar.gz', 'python-dateutil', '2.9.0.post0'],
    ['My.Pkg_x-1.0.tar.gz', 'my-pkg-x', '1.0'],
    ['charset_normalizer-3.4.1.tar.gz', 'charset-normalizer', '3.4.1'],
    ['foo-1.0.zip', 'foo', '1.0'],
    ['foo-1.0+local.tar.gz', 'foo', '1.0+local'],
  ])('%s is %s %s', (filename, project, version) => {
    const parsed = parseDistribution(filename)
    expect([parsed.kind, parsed.project, parsed.version.text]).toEqual(['sdist', project, version])
  })

  it('tell which archive it is', () => {
    expect(parseDistribution('foo-1.0.zip').archive).toBe('zip')
    expect(parseDistribution('foo-1.0.tar.gz').archive).toBe('tar.gz')
  })

  it.each([
    'foo1.0.tar.gz',
    'foo-1.x.tar.gz',
    'foo-1.0.xz',
    'foo-1.0.tar.bz2',
    'foo-1.0.egg',
    '-1.0.tar.gz',
    '.tar.gz',
    'foo-.tar.gz',
  ])('refuse %s', refused)
})

describe('hostile file names', () => {
  it.each([
    '',
    '..',
    '../foo-1.0.tar.gz',
    '..\\foo-1.0.tar.gz',
    '/foo-1.0.tar.gz',
    'a/../foo-1.0.tar.gz',
    '%2e%2e-1.0.tar.gz',
    'foo-1.0.tar.gz\0',
    'foo-1.0\r\n.tar.gz',
    'foo\n-1.0.tar.gz',
    '<script>-1.0.tar.gz',
    '"-1.0.zip',
    "foo'-1.0.zip",
    'foo&-1.0.zip',
    'foo-1.0.tar.gz/..',
    `${'a'.repeat(250)}-1.0.tar.gz`,
  ])('are refused: %j', refused)

  it('never make the parser slow or throw anything but a refusal', () => {
    const piece = fc.constantFrom(
      '-',
      '.',
      '_',
      '1',
      'a',
      '+',
      '!',
      '0',
      '.whl',
      '.tar.gz',
      'post',
      'dev',
      '\n',
      'é',
      '/',
    )
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 200 }), (pieces) => {
        const parsed = findDistribution(pieces.join(''))
        expect(parsed === undefined || parsed.filename === pieces.join('')).toBe(true)
      }),
      { numRuns: 2000 },
    )
  })
})

function refused(filename: string): void {
  expect(() => parseDistribution(filename)).toThrow(expect.toSatisfy((error) => hasCode(error, 'INVALID_NAME')))
  expect(findDistribution(filename)).toBeUndefined()
}
