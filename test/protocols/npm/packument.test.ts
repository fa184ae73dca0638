import { describe, expect, it } from 'vitest'

import { renderPackument, servedManifest, tagsOf, type PackumentSource } from '../../../protocols/npm/packument.ts'
import type { PackageRecord, VersionRecord } from '../../../protocols/npm/records.ts'

/** Every field of npmjs's list, and some that are not on it. */
const WHOLE = {
  name: '@acme/a',
  version: '1.0.0',
  description: 'described',
  deprecated: 'use b',
  dependencies: { b: '^1' },
  optionalDependencies: { c: '^1' },
  devDependencies: { d: '^1' },
  bundleDependencies: ['b'],
  peerDependencies: { e: '*' },
  peerDependenciesMeta: { e: { optional: true } },
  bin: { a: 'a.js' },
  directories: { lib: 'lib' },
  dist: { shasum: 'aa', integrity: 'sha512-x', signatures: [{ keyid: 'k' }], unpackedSize: 3 },
  engines: { node: '>=18' },
  cpu: ['x64'],
  os: ['!win32'],
  libc: ['glibc'],
  funding: 'https://example.org',
  hasInstallScript: true,
  acceptDependencies: { b: '1 || 2' },
  _hasShrinkwrap: false,
  readme: '# a',
  readmeFilename: 'README.md',
  license: 'MIT',
  unheardOf: { kept: true },
}

const RECORD: PackageRecord = {
  tags: { latest: '1.0.0', next: '2.0.0-rc.1' },
  created: '2026-01-01T00:00:00.000Z',
  modified: '2026-02-01T00:00:00.000Z',
  times: { '1.0.0': '2026-01-01T00:00:00.000Z', '2.0.0-rc.1': '2026-02-01T00:00:00.000Z' },
  fields: { readme: '# published', unheardOf: 1 },
}

const SOURCE: PackumentSource = {
  name: '@acme/a',
  record: RECORD,
  versions: new Map<string, VersionRecord>([
    ['1.0.0', { digest: 'd1', manifest: WHOLE }],
    ['2.0.0-rc.1', { digest: 'd2', manifest: { name: '@acme/a', version: '2.0.0-rc.1', dist: {} } }],
  ]),
  origin: 'https://depot.example/npm',
  revision: '7-abc',
}

interface Packument extends Record<string, unknown> {
  versions: Record<string, Record<string, unknown>>
}

function render(form: 'full' | 'abbreviated', source: PackumentSource = SOURCE): Packument {
  return JSON.parse(renderPackument(form, source)) as Packument
}

const TARBALL = 'https://depot.example/npm/@acme/a/-/a-1.0.0.tgz'
const TIME = { created: RECORD.created, modified: RECORD.modified, ...RECORD.times }

describe('the full packument', () => {
  it('carries every field of every version, but for the readme, which stands at the top', () => {
    const { readme: _readme, ...rest } = WHOLE
    const { versions } = render('full')
    expect(Object.keys(versions)).toEqual(['1.0.0', '2.0.0-rc.1'])
    expect(versions['1.0.0']).toEqual({ ...rest, _id: '@acme/a@1.0.0', dist: { ...WHOLE.dist, tarball: TARBALL } })
  })

  it('has times, tags, a revision, and the words of the latest version and its publish', () => {
    const { versions: _versions, ...top } = render('full')
    expect(top).toEqual({
      _id: '@acme/a',
      _rev: '7-abc',
      name: '@acme/a',
      'dist-tags': RECORD.tags,
      time: TIME,
      description: 'described',
      license: 'MIT',
      readme: '# published',
      readmeFilename: 'README.md',
      unheardOf: 1,
    })
  })
})

describe('the abbreviated packument', () => {
  it('has every field that installers read, and no other', () => {
    const { description, readme, readmeFilename, license, unheardOf, ...listed } = WHOLE
    expect([description, readme, readmeFilename, license, unheardOf]).not.toContain(undefined)
    expect(render('abbreviated').versions['1.0.0']).toEqual({ ...listed, dist: { ...WHOLE.dist, tarball: TARBALL } })
  })

  it('has modified and time at the top, and neither _id nor _rev nor readme', () => {
    const { versions: _versions, ...top } = render('abbreviated')
    expect(top).toEqual({ name: '@acme/a', modified: RECORD.modified, 'dist-tags': RECORD.tags, time: TIME })
  })

  it('spells bundleDependencies as installers read it', () => {
    const manifest = { name: '@acme/a', version: '1.0.0', dist: {}, bundledDependencies: ['b'] }
    const versions = new Map([['1.0.0', { digest: 'd', manifest }]])
    expect(render('abbreviated', { ...SOURCE, versions }).versions['1.0.0']).toMatchObject({
      bundleDependencies: ['b'],
    })
  })
})

describe('latest', () => {
  it('is what was tagged', () => {
    expect(tagsOf(RECORD)).toEqual(RECORD.tags)
  })

  it('is the highest release where nobody tagged one', () => {
    expect(tagsOf({ ...RECORD, tags: { next: '2.0.0-rc.1' } })).toEqual({ latest: '1.0.0', next: '2.0.0-rc.1' })
  })
})

it('gives a manifest the address that its tarball has here, and its own _id', () => {
  const manifest = { name: 'a', version: '1.0.0', _id: 'b@9', dist: { tarball: 'http://evil/' } }
  expect(servedManifest({ digest: '', manifest }, 'http://h')).toMatchObject({
    _id: 'a@1.0.0',
    dist: { tarball: 'http://h/a/-/a-1.0.0.tgz' },
  })
})

it('gives a manifest the address that its attestations have here, and our signatures behind those that came with it', () => {
  const theirs = { keyid: 'SHA256:theirs', sig: 'a', more: 1 }
  const attestations = {
    url: 'https://elsewhere.example/-/npm/v1/attestations/@s%2fa@1.0.0',
    provenance: { predicateType: 'https://slsa.dev/provenance/v1' },
  }
  const dist = { attestations, signatures: [theirs, { keyid: 'SHA256:ours', sig: 'forged' }] }
  const manifest = { name: '@s/a', version: '1.0.0', dist }
  const signatures = [{ keyid: 'SHA256:ours', sig: 'b' }]
  expect(servedManifest({ digest: '', manifest, signatures }, 'http://h/npm')['dist']).toEqual({
    tarball: 'http://h/npm/@s/a/-/a-1.0.0.tgz',
    attestations: { ...attestations, url: 'http://h/npm/-/npm/v1/attestations/@s%2fa@1.0.0' },
    signatures: [theirs, ...signatures],
  })
  expect(servedManifest({ digest: '', manifest: { ...manifest, dist: {} } }, 'http://h')['dist']).toEqual({
    tarball: 'http://h/@s/a/-/a-1.0.0.tgz',
  })
})
