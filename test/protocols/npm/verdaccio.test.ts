import fc from 'fast-check'
import { describe, expect, it } from 'vitest'

import { parseVerdaccioPackage } from '../../../protocols/npm/verdaccio.ts'

function parse(document: object): ReturnType<typeof parseVerdaccioPackage> {
  return parseVerdaccioPackage('@acme/demo', JSON.stringify({ name: '@acme/demo', ...document }))
}

function manifest(more: object = {}): object {
  return { name: '@acme/demo', version: '1.0.0', dist: {}, ...more }
}

describe('a package.json of Verdaccio', () => {
  it('tells what was published from what an uplink gave, and what should be there', () => {
    const upstream = { url: 'http://up.example/x.tgz', sha: 'abc', registry: 'up' }
    const versions = Object.fromEntries(
      ['1.0.0', '1.1.0', '1.2.0', '1.3.0'].map((version) => [version, { ...manifest(), version }]),
    )
    const { versions: found } = parse({
      versions,
      _attachments: { 'demo-1.0.0.tgz': { shasum: 'def' }, 'demo-1.1.0.tgz': {} },
      _distfiles: { 'demo-1.1.0.tgz': upstream, 'demo-1.2.0.tgz': upstream },
    })
    expect(
      found.map(({ version, cached, expected, declared }) => [version, cached, expected, declared.shasum]),
    ).toEqual([
      ['1.0.0', false, true, 'def'],
      ['1.1.0', true, true, 'abc'],
      ['1.2.0', true, false, 'abc'],
      ['1.3.0', false, true, undefined],
    ])
  })

  it('looks for a tarball by its usual name, and by the odd one that its manifest gives', () => {
    const files = (tarball: unknown): readonly string[] =>
      parse({ versions: { '1.0.0': manifest({ dist: { tarball } }) } }).versions[0]?.files ?? []
    expect(files('http://old.example/@acme/demo/-/@acme/demo-1.0.0.tgz')).toEqual(['demo-1.0.0.tgz'])
    expect(files('http://old.example/@acme/demo/-/demo-v1.0.0.tgz')).toEqual(['demo-1.0.0.tgz', 'demo-v1.0.0.tgz'])
    for (const evil of ['../../x', '..', '/', 'x/..%2f..%2fy.tgz', 'a/.tgz', 'a/..\\x.tgz', 'a/x\0.tgz', 7, null])
      expect(files(evil)).toEqual(['demo-1.0.0.tgz'])
  })

  it('writes times in one form, and leaves out what is none', () => {
    const time = {
      created: '2012-03-04T05:06:07.890Z',
      '1.0.0': '2024-12-04T22:50:12.124000+00:00',
      '1.1.0': '2024-12-04T22:50:12.124567Z',
      '1.2.0': 'soon',
      '1.3.0': 7,
      '1.4.0': '2024-99-01T00:00:00Z',
    }
    expect(Object.fromEntries(parse({ time }).time)).toEqual({
      created: '2012-03-04T05:06:07.890Z',
      '1.0.0': '2024-12-04T22:50:12.124Z',
      '1.1.0': '2024-12-04T22:50:12.124567Z',
    })
  })

  it('has a readme only when somebody wrote one, and a deprecation only when it says something', () => {
    expect(parse({ readme: '# Demo' }).readme).toBe('# Demo')
    for (const readme of ['', 'ERROR: No README data found!', 7]) expect(parse({ readme }).readme).toBeUndefined()
    for (const deprecated of ['', false, null, {}])
      expect(parse({ versions: { '1.0.0': manifest({ deprecated }) } }).versions[0]?.deprecated).toBeUndefined()
  })

  it('names each version that is none', () => {
    const versions = { '1.0': manifest(), '1.0.0': null, '2.0.0': manifest(), constructor: manifest() }
    expect(parse({ versions }).refused).toEqual([
      { version: '1.0', reason: 'that is not a version' },
      { version: '1.0.0', reason: 'it has no manifest' },
      { version: '2.0.0', reason: 'its manifest is of something else' },
      { version: 'constructor', reason: 'that is not a version' },
    ])
  })

  it.each(['', '{', '[]', 'null', '"x"', '{"name":"demo"}', '{}'])('is not %j', (text) => {
    expect(() => parseVerdaccioPackage('@acme/demo', text)).toThrow(/^its package\.json is/)
  })

  it('never leads out of its folder, whatever stands in it', () => {
    const keys = fc.constantFrom('versions', 'time', 'dist-tags', 'users', '_attachments', '_distfiles', 'readme')
    const anyText = fc.string().filter((text) => text !== 'name')
    const odd = fc.dictionary(fc.oneof(keys, anyText, fc.constantFrom('__proto__', '1.0.0')), fc.jsonValue())
    const tarballs = fc.record({ tarball: fc.oneof(fc.string({ unit: 'grapheme' }), fc.webUrl(), fc.jsonValue()) })
    fc.assert(
      fc.property(odd, tarballs, (document, dist) => {
        const { versions } = parse({ ...document, versions: { '1.0.0': manifest({ dist }) } })
        for (const { files } of versions) for (const file of files) expect(file).toMatch(/^[^/\\\0.][^/\\\0]*\.tgz$/)
      }),
      { numRuns: 500 },
    )
  })
})
