import { describe, expect, it } from 'vitest'

import { keptManifest, parseManifest, runsAtInstall } from '../../../protocols/npm/manifest.ts'

const HASHES = { sha1: 'aa', sha256: 'bb', sha512: 'cc' }
const FACTS = { hashes: HASHES, hasInstallScript: false }

describe('a manifest', () => {
  it('passes through whole, odd and unknown fields included', () => {
    const manifest = {
      name: '@acme/a',
      version: '1.0.0',
      bundleDependencies: true,
      dependencies: { b: { version: '1' } },
      engines: ['node >= 0.4'],
      unheardOf: [null, { toString: 1 }],
      dist: { signatures: [{ keyid: 'k', sig: 's' }] },
    }
    expect(parseManifest(manifest)).toEqual(manifest)
  })

  it.each([
    [null],
    [[]],
    ['1.0.0'],
    [{ name: 'a' }],
    [{ name: 'a', version: 1 }],
    [{ name: 'a', version: '1' }],
    [{ name: 'a', version: 'v1.0.0' }],
    [{ name: 'a', version: '1.0.0+build' }],
    [{ name: '../a', version: '1.0.0' }],
    [{ name: 'a', version: '1.0.0', dist: { shasum: 1 } }],
    [{ name: 'a', version: '1.0.0', dist: [] }],
    [{ name: 'a', version: '1.0.0', dependencies: { constructor: '1' } }],
    [{ name: 'a', version: '1.0.0', peerDependenciesMeta: JSON.parse('{"__proto__":{"optional":true}}') as unknown }],
  ])('is not %j', (value) => {
    expect(() => parseManifest(value)).toThrow(expect.objectContaining({ status: 400 }))
  })
})

describe('the manifest that is kept', () => {
  it('has the hashes of the bytes, no address, and the rest of its dist', () => {
    const dist = { tarball: 'http://localhost:1/a.tgz', shasum: 'AA', fileCount: 2, attestations: { url: 'x' } }
    expect(keptManifest({ name: 'a', version: '1.0.0', dist }, FACTS)).toEqual({
      name: 'a',
      version: '1.0.0',
      dist: { fileCount: 2, attestations: { url: 'x' }, shasum: 'aa', integrity: 'sha512-zA==' },
    })
  })

  it('says that a script runs at installation, whatever was claimed', () => {
    const plain = { name: 'a', version: '1.0.0' }
    expect(keptManifest({ ...plain, scripts: { install: 'x' } }, FACTS)).toMatchObject({ hasInstallScript: true })
    const loud = { ...FACTS, hasInstallScript: true }
    expect(keptManifest({ ...plain, hasInstallScript: false }, loud)).toMatchObject({ hasInstallScript: true })
    expect(keptManifest({ ...plain, scripts: { test: 'x' } }, FACTS)).not.toHaveProperty('hasInstallScript')
  })
})

it.each([
  [{ preinstall: 'x' }, true],
  [{ install: 'x' }, true],
  [{ postinstall: 'x' }, true],
  [{ install: '' }, false],
  [{ prepare: 'x', test: 'x' }, false],
  [undefined, false],
  [null, false],
  ['install', false],
  [[], false],
])('tells of scripts %j whether npm runs one: %j', (scripts, runs) => {
  expect(runsAtInstall(scripts)).toBe(runs)
})
