import { afterAll, beforeAll, describe, expect, it } from 'vitest'

import { distOf, tarballOf, type PackageJson } from '../../helpers/npm-fixtures.ts'
import { json, publish, startNpmWorld } from '../../helpers/npm-world.ts'
import type { World } from '../../helpers/world.ts'

let world: World
beforeAll(async () => void (world = await startNpmWorld()))
afterAll(() => world[Symbol.asyncDispose]())

function putTarball(name: string, version: string, tarball: Uint8Array, file?: string): Promise<Response> {
  const body = Uint8Array.from(tarball)
  return world.fetch(`/npm/${name}/-/${file ?? `${name}-${version}.tgz`}`, { method: 'PUT', body })
}

function putManifest(name: string, selector: string, manifest: unknown): Promise<Response> {
  return world.fetch(`/npm/${name}/${selector}`, { method: 'PUT', body: JSON.stringify(manifest) })
}

async function bring(own: PackageJson): Promise<{ tarball: Buffer; manifest: PackageJson }> {
  const tarball = await tarballOf(own)
  const manifest = { ...own, dist: { ...distOf(tarball), tarball: 'http://elsewhere.example/x.tgz' } }
  expect((await putTarball(own.name, own.version, tarball)).status).toBe(200)
  expect((await putManifest(own.name, own.version, manifest)).status).toBe(201)
  return { tarball, manifest }
}

describe('bringing in a package that was published elsewhere', () => {
  it.each(['plain', '@acme/button', 'JSONStream'])('works for %s: tarball, manifest, tags', async (name) => {
    const { tarball, manifest } = await bring({ name, version: '1.0.0', libc: ['musl'] })
    expect((await putManifest(name, 'lts', manifest)).status).toBe(201)
    expect((await putManifest(name, 'lts', manifest)).status).toBe(201)
    const packument = await json(await world.fetch(`/npm/${name}`))
    const file = `${name.replace('@acme/', '')}-1.0.0.tgz`
    expect(packument).toMatchObject({
      'dist-tags': { latest: '1.0.0', lts: '1.0.0' },
      versions: { '1.0.0': { libc: ['musl'], dist: { tarball: `${world.url}/npm/${name}/-/${file}` } } },
    })
    for (const path of [`/npm/${name}/-/${file}`, `/npm/${name}/-/${name}-1.0.0.tgz`]) {
      expect(Buffer.from(await (await world.fetch(path)).arrayBuffer()).equals(tarball)).toBe(true)
    }
  })

  it("takes a manifest under its tags before its number, as a-h/depot's client sends it", async () => {
    const own = { name: '@acme/tagged-first', version: '1.0.0' }
    const tarball = await tarballOf(own)
    const manifest = { ...own, dist: distOf(tarball) }
    expect((await putTarball(own.name, own.version, tarball, '@acme/tagged-first-1.0.0.tgz')).status).toBe(200)
    for (const selector of ['next', 'latest', '1.0.0'])
      expect((await putManifest(own.name, selector, manifest)).status).toBe(201)
    expect(await json(await world.fetch('/npm/@acme/tagged-first'))).toMatchObject({
      'dist-tags': { next: '1.0.0', latest: '1.0.0' },
      versions: { '1.0.0': {} },
    })
  })

  it('tells JSONStream from jsonstream', async () => {
    await bring({ name: 'jsonstream', version: '2.0.0' })
    expect(Object.keys((await json(await world.fetch('/npm/jsonstream')))['versions'] as object)).toEqual(['2.0.0'])
    expect((await world.fetch('/npm/JSONstream')).status).toBe(404)
  })

  it('makes the highest release the latest until somebody says which is', async () => {
    for (const version of ['1.10.0', '1.9.0', '2.0.0-rc.1']) await bring({ name: 'many', version })
    expect(await json(await world.fetch('/npm/many/latest'))).toMatchObject({ version: '1.10.0' })
    expect((await putManifest('many', 'latest', { name: 'many', version: '1.9.0' })).status).toBe(201)
    expect(await json(await world.fetch('/npm/many/latest'))).toMatchObject({ version: '1.9.0' })
  })

  it('shows nothing of a tarball whose manifest has not come, and lets it be sent again', async () => {
    const own = { name: 'waiting', version: '1.0.0' }
    const wrong = await tarballOf(own, [{ name: 'package/wrong.js' }])
    expect((await putTarball('waiting', '1.0.0', wrong)).status).toBe(200)
    expect((await world.fetch('/npm/waiting')).status).toBe(404)
    expect((await world.fetch('/npm/waiting/-/waiting-1.0.0.tgz')).status).toBe(404)
    const { tarball } = await bring(own)
    const served = await world.fetch('/npm/waiting/-/waiting-1.0.0.tgz')
    expect(Buffer.from(await served.arrayBuffer()).equals(tarball)).toBe(true)
  })

  it('takes the same again and nothing else under the same version', async () => {
    const own = { name: 'again', version: '1.0.0' }
    const { tarball, manifest } = await bring(own)
    const before = await json(await world.fetch('/npm/again'))
    expect((await putTarball('again', '1.0.0', tarball)).status).toBe(200)
    expect((await putManifest('again', '1.0.0', manifest)).status).toBe(201)
    const other = await tarballOf(own, [{ name: 'package/other.js' }])
    expect((await putTarball('again', '1.0.0', other)).status).toBe(409)
    const lying = { ...manifest, dist: distOf(other) }
    for (const selector of ['1.0.0', 'latest']) expect((await putManifest('again', selector, lying)).status).toBe(409)
    expect(await json(await world.fetch('/npm/again'))).toEqual(before)
  })

  it('never touches what was published', async () => {
    const own = { name: 'published', version: '1.0.0' }
    await publish(world, own)
    const other = await tarballOf(own, [{ name: 'package/other.js' }])
    expect((await putTarball('published', '1.0.0', other)).status).toBe(409)
  })

  it('wants the tarball before its manifest, under its number or under a tag', async () => {
    const manifest = { name: 'early', version: '1.0.0' }
    for (const selector of ['1.0.0', 'latest']) {
      const answer = await putManifest('early', selector, manifest)
      expect([answer.status, await json(answer)]).toEqual([400, { error: expect.stringMatching(/yet/) as unknown }])
    }
    expect((await world.fetch('/npm/early')).status).toBe(404)
  })

  it.each<[string, string, unknown]>([
    ['a manifest of another version', '1.0.0', { name: 'strict', version: '9.9.9' }],
    ['a manifest of another package', '1.0.0', { name: 'evil', version: '1.0.0' }],
    ['hashes of other bytes', '1.0.0', { name: 'strict', version: '1.0.0', dist: distOf(Buffer.from('x')) }],
    ['a bare version number', 'latest', '1.0.0'],
    ['a list', '1.0.0', []],
    ['a polluting dependency', '1.0.0', { name: 'strict', version: '1.0.0', dependencies: { constructor: '1' } }],
  ])('refuses %s', async (_what, selector, manifest) => {
    expect((await putTarball('strict', '1.0.0', await tarballOf({ name: 'strict', version: '1.0.0' }))).status).toBe(
      200,
    )
    const answer = await putManifest('strict', selector, manifest)
    expect([answer.status, Object.keys(await json(answer))]).toEqual([400, ['error']])
    expect((await world.fetch('/npm/strict')).status).toBe(404)
  })

  it.each([
    ['another version', 'strict-2.0.0.tgz'],
    ['another package', 'evil-1.0.0.tgz'],
    ['another scope', '@evil%2fstrict-1.0.0.tgz'],
  ])('refuses a tarball under the file name of %s', async (_what, file) => {
    const tarball = await tarballOf({ name: 'strict', version: '1.0.0' })
    const answer = await putTarball('strict', '1.0.0', tarball, file)
    expect([answer.status, Object.keys(await json(answer))]).toEqual([400, ['error']])
  })
})
