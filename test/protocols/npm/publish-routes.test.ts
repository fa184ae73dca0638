import { createHash } from 'node:crypto'
import { gzipSync } from 'node:zlib'

import { afterAll, beforeAll, describe, expect, it } from 'vitest'

import { MAIN_CACHE } from '../../../src/kv-store.ts'
import { provenanceOf, publishOf, tarballOf, withProvenance } from '../../helpers/npm-fixtures.ts'
import { json, publish, put, startNpmWorld } from '../../helpers/npm-world.ts'
import type { World } from '../../helpers/world.ts'

let world: World
beforeAll(async () => void (world = await startNpmWorld()))
afterAll(() => world[Symbol.asyncDispose]())

async function download(path: string): Promise<Buffer> {
  const response = await world.fetch(path)
  expect(response.status).toBe(200)
  return Buffer.from(await response.arrayBuffer())
}

describe('publishing', () => {
  it('makes a package with its tarball readable', async () => {
    const own = { name: 'plain', version: '1.0.0', description: 'words', unheardOf: { kept: [1] } }
    const tarball = await tarballOf(own)
    const response = await put(world, 'plain', publishOf(own, tarball))
    expect([response.status, await json(response)]).toEqual([201, { ok: 'created new package', success: true }])
    expect(await json(await world.fetch('/npm/plain'))).toMatchObject({
      _id: 'plain',
      'dist-tags': { latest: '1.0.0' },
      description: 'words',
      versions: {
        '1.0.0': { unheardOf: { kept: [1] }, dist: { tarball: `${world.url}/npm/plain/-/plain-1.0.0.tgz` } },
      },
    })
    expect((await download('/npm/plain/-/plain-1.0.0.tgz')).equals(tarball)).toBe(true)
    expect(world.bugs).toEqual([])
  })

  it('computes both hashes where the publisher sent none', async () => {
    const own = { name: 'hashless', version: '1.0.0' }
    const tarball = await publish(world, own, { dist: { shasum: undefined, integrity: undefined } })
    const { dist } = await json(await world.fetch('/npm/hashless/1.0.0'))
    const digest = (algorithm: string, encoding: 'hex' | 'base64') =>
      createHash(algorithm).update(tarball).digest(encoding)
    expect(dist).toMatchObject({ shasum: digest('sha1', 'hex'), integrity: `sha512-${digest('sha512', 'base64')}` })
  })

  it('takes the same bytes again and changes nothing', async () => {
    const own = { name: 'twice', version: '1.0.0' }
    const tarball = await publish(world, own)
    const before = await json(await world.fetch('/npm/twice'))
    const again = await put(world, 'twice', publishOf(own, tarball, { tag: 'other', manifest: { changed: true } }))
    expect(again.status).toBe(200)
    expect(await json(await world.fetch('/npm/twice'))).toEqual(before)
  })

  it('takes in every version of a package when sixty come at once', async () => {
    const versions = Array.from({ length: 60 }, (_, patch) => `1.0.${patch}`)
    await Promise.all(versions.map((version) => publish(world, { name: 'crowd', version })))
    const packument = await json(await world.fetch('/npm/crowd'))
    expect(Object.keys(packument['versions'] as object).toSorted()).toEqual(versions.toSorted())
  })

  it('never replaces a version by other bytes', async () => {
    const own = { name: 'immutable', version: '1.0.0' }
    const tarball = await publish(world, own)
    const other = await tarballOf(own, [{ name: 'package/more.js', content: 'x' }])
    const response = await put(world, 'immutable', publishOf(own, other))
    expect(response.status).toBe(409)
    expect(await json(response)).toEqual({ error: expect.stringMatching(/cannot publish over/) as unknown })
    expect((await download('/npm/immutable/-/immutable-1.0.0.tgz')).equals(tarball)).toBe(true)
  })

  it('adds versions and moves the tags that are named', async () => {
    await publish(world, { name: 'tagged', version: '1.0.0' })
    await publish(world, { name: 'tagged', version: '2.0.0-rc.1' }, { tag: 'next' })
    const tags = { latest: '1.0.0', next: '2.0.0-rc.1' }
    const packument = await json(await world.fetch('/npm/tagged'))
    expect(packument['dist-tags']).toEqual(tags)
    expect(Object.keys(packument['versions'] as object)).toEqual(['1.0.0', '2.0.0-rc.1'])
    expect(packument['time']).toMatchObject({ '1.0.0': expect.any(String), '2.0.0-rc.1': expect.any(String) })
    expect(await json(await world.fetch('/npm/-/package/tagged/dist-tags'))).toEqual(tags)
  })

  it('lets publishers of different versions at once all win', async () => {
    const versions = Array.from({ length: 8 }, (_, index) => `1.0.${index}`)
    await Promise.all(versions.map((version) => publish(world, { name: 'race', version })))
    const packument = await json(await world.fetch('/npm/race'))
    expect(Object.keys(packument['versions'] as object).sort()).toEqual(versions)
    expect(Object.keys(packument['time'] as object).sort()).toEqual([...versions, 'created', 'modified'])
  })

  it('lets exactly one of several publishers of one version win', async () => {
    const own = { name: 'duel', version: '1.0.0' }
    const tarballs = await Promise.all([1, 2, 3, 4, 5].map((n) => tarballOf(own, [{ name: `package/${n}.js` }])))
    const answers = await Promise.all(tarballs.map((tarball) => put(world, 'duel', publishOf(own, tarball))))
    const statuses = answers.map(({ status }) => status)
    expect(statuses.toSorted((a, b) => a - b)).toEqual([201, 409, 409, 409, 409])
    const winner = tarballs[statuses.indexOf(201)]
    expect((await download('/npm/duel/-/duel-1.0.0.tgz')).equals(winner ?? Buffer.alloc(0))).toBe(true)
    const { dist } = await json(await world.fetch('/npm/duel/latest'))
    expect(dist).toMatchObject({
      shasum: createHash('sha1')
        .update(winner ?? '')
        .digest('hex'),
    })
  })

  it('reads a body whose attachment comes first, and one that is gzipped', async () => {
    const own = { name: 'upside-down', version: '1.0.0' }
    const { _attachments, ...rest } = publishOf(own, await tarballOf(own))
    const body = gzipSync(JSON.stringify({ _attachments, ...rest }))
    const init = { method: 'PUT', headers: { 'Content-Encoding': 'gzip' }, body }
    expect((await world.fetch('/npm/upside-down', init)).status).toBe(201)
  })

  it('keeps the provenance that comes along', async () => {
    const own = { name: '@acme/proven', version: '1.0.0' }
    const tarball = await tarballOf(own)
    expect((await put(world, own.name, withProvenance(own, tarball))).status).toBe(201)
    const kept = await world.depot.get(MAIN_CACHE, 'npm-attestation', '@acme/proven@1.0.0')
    expect(kept?.value).toBe(JSON.stringify(provenanceOf(own, tarball)))
  })

  it('marks a package whose tarball runs a script, though its manifest is silent', async () => {
    const tarball = await tarballOf({ name: 'runs', version: '1.0.0', scripts: { postinstall: 'node x' } })
    expect((await put(world, 'runs', publishOf({ name: 'runs', version: '1.0.0' }, tarball))).status).toBe(201)
    expect(await json(await world.fetch('/npm/runs/1.0.0'))).toMatchObject({ hasInstallScript: true })
  })

  it('accepts a tarball whose version npm cleaned', async () => {
    const tarball = await tarballOf({ name: 'cleaned', version: 'v1.0.0+build' })
    expect((await put(world, 'cleaned', publishOf({ name: 'cleaned', version: '1.0.0' }, tarball))).status).toBe(201)
  })
})
