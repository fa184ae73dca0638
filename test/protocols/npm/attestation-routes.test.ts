import { afterAll, beforeAll, describe, expect, it } from 'vitest'

import { LIMITS } from '../../../src/limits.ts'
import { distOf, publishOf, tarballOf, withProvenance, type PackageJson } from '../../helpers/npm-fixtures.ts'
import { json, publish, put, startNpmWorld } from '../../helpers/npm-world.ts'
import { attestationsOf } from '../../helpers/saved-npm.ts'
import type { World } from '../../helpers/world.ts'

let world: World
beforeAll(async () => void (world = await startNpmWorld()))
afterAll(() => world[Symbol.asyncDispose]())

function at({ name, version }: PackageJson): string {
  return `/npm/-/npm/v1/attestations/${name.replace('/', '%2f')}@${version}`
}

async function send(path: string, body: string | Uint8Array): Promise<{ status: number; text: string }> {
  const response = await world.fetch(path, { method: 'PUT', body: body as NonNullable<RequestInit['body']> })
  return { status: response.status, text: await response.text() }
}

function sendTarball({ name, version }: PackageJson, tarball: Uint8Array): Promise<{ status: number; text: string }> {
  return send(`/npm/${name}/-/${name.split('/').at(-1)}-${version}.tgz`, tarball)
}

async function audited(): Promise<string[]> {
  return (await world.depot.kv.audit(0, 10_000)).map(({ action, resource }) => `${action} ${resource}`)
}

describe('attestations of another registry', () => {
  it('come between tarball and manifest, and are served to the byte once the version is there', async () => {
    const own = { name: '@acme/made', version: '1.0.0' }
    const tarball = await tarballOf(own)
    const answer = attestationsOf(own, tarball)
    expect(await send(at(own), answer)).toMatchObject({
      status: 404,
      text: expect.stringContaining('send it first') as unknown,
    })
    await sendTarball(own, tarball)
    expect(await send(at(own), answer)).toMatchObject({ status: 201 })
    expect((await world.fetch(at(own))).status).toBe(404)
    const manifest = {
      ...own,
      dist: { ...distOf(tarball), attestations: { url: 'https://elsewhere/', provenance: { predicateType: 'x' } } },
    }
    expect(await send('/npm/@acme%2fmade/1.0.0', JSON.stringify(manifest))).toMatchObject({ status: 201 })
    const response = await world.fetch(at(own))
    expect(await response.text()).toBe(answer)
    const etag = response.headers.get('etag') ?? ''
    expect((await world.fetch(at(own), { headers: { 'If-None-Match': etag } })).status).toBe(304)
    const packument = await json(await world.fetch('/npm/@acme/made'))
    expect(packument).toMatchObject({
      versions: {
        '1.0.0': { dist: { attestations: { url: world.url + at(own), provenance: { predicateType: 'x' } } } },
      },
    })
    expect(await audited()).toContain('npm:write @acme/made@1.0.0 attestations')
  })

  it('stay as they are: the same again change nothing, others are refused, also beside what came with a publish', async () => {
    const own = { name: 'stays', version: '1.0.0' }
    const tarball = await publish(world, own)
    const answer = attestationsOf(own, tarball)
    expect(await send(at(own), answer)).toMatchObject({ status: 201 })
    expect(await send(at(own), answer)).toMatchObject({ status: 200 })
    expect(await send(at(own), `${answer} `)).toMatchObject({ status: 409 })
    const published = { name: 'provenant', version: '1.0.0' }
    const its = await tarballOf(published)
    expect((await put(world, 'provenant', withProvenance(published, its))).status).toBe(201)
    expect(await send(at(published), attestationsOf(published, its))).toMatchObject({ status: 409 })
    expect((await json(await world.fetch(at(published))))['attestations']).toHaveLength(1)
  })

  it('go with their version, and say nothing of what comes under its name later', async () => {
    const own = { name: 'fading', version: '1.0.0' }
    await send(at(own), attestationsOf(own, await publish(world, own)))
    expect((await world.fetch('/npm/fading/1.0.0', { method: 'DELETE' })).status).toBe(204)
    expect((await world.fetch(at(own))).status).toBe(404)
    expect((await world.fetch('/npm/-/tombstones/fading@1.0.0', { method: 'DELETE' })).status).toBe(200)
    await publish(world, { ...own, description: 'another' })
    expect((await world.fetch(at(own))).status).toBe(404)
  })

  it.each(['tarball', 'publish'])('of a tarball that waits are forgotten when another comes by a %s', async (way) => {
    const own = { name: `replaced-${way}`, version: '1.0.0' }
    const [first, second] = [await tarballOf(own), await tarballOf({ ...own, description: 'another' })]
    await sendTarball(own, first)
    await send(at(own), attestationsOf(own, first))
    if (way === 'publish') expect((await put(world, own.name, publishOf(own, second))).status).toBe(201)
    else {
      await sendTarball(own, second)
      await send(`/npm/${own.name}/1.0.0`, JSON.stringify({ ...own, dist: distOf(second) }))
    }
    expect((await world.fetch(`/npm/${own.name}/1.0.0`)).status).toBe(200)
    expect((await world.fetch(at(own))).status).toBe(404)
  })

  it('of a tarball that is sent again stay', async () => {
    const own = { name: 'again', version: '1.0.0' }
    const tarball = await tarballOf(own)
    await sendTarball(own, tarball)
    await send(at(own), attestationsOf(own, tarball))
    await sendTarball(own, tarball)
    await send('/npm/again/1.0.0', JSON.stringify({ ...own, dist: distOf(tarball) }))
    expect((await world.fetch(at(own))).status).toBe(200)
  })
})

describe('attestations that are none', () => {
  const own = { name: 'target', version: '1.0.0' }
  const other = { name: 'stranger', version: '1.0.0' }
  let tarball: Buffer
  beforeAll(async () => void (tarball = await publish(world, own)))

  it.each<[string, () => Promise<string> | string, number, RegExp]>([
    ['about another package', () => attestationsOf(other, tarball), 400, /not about pkg:npm\/target@1\.0\.0/],
    ['about other bytes', async () => attestationsOf(own, await tarballOf(other)), 400, /not about/],
    ['about another version', () => attestationsOf({ ...own, version: '1.0.1' }, tarball), 400, /not about/],
    [
      'about its digest in another function',
      () => attestationsOf(own, tarball, { digest: { sha256: 'x' } }),
      400,
      /not about/,
    ],
    ['of which one is about something else', () => mixed(), 400, /not about/],
    [
      'of another kind than they say',
      () => attestationsOf(own, tarball).replace(/"https:\/\/slsa[^"]*"/, '"x"'),
      400,
      /another kind/,
    ],
    ['without any', () => '{"attestations":[]}', 400, /attestations/],
    [
      'of too many',
      () => JSON.stringify({ attestations: Array.from({ length: 17 }, () => ({})) }),
      400,
      /attestations/,
    ],
    ['without a bundle', () => '{"attestations":[{"predicateType":"x"}]}', 400, /bundle/],
    ['that pollute', () => '{"__proto__":1,"attestations":[]}', 400, /__proto__/],
    ['that are no JSON', () => '{', 400, /not JSON/],
    ['that are huge', () => ' '.repeat(LIMITS.npmAttestationsBytesMax + 1), 413, /bytes/],
  ])('are refused: those %s', async (_what, make, status, reason) => {
    const answer = await send(at(own), await make())
    expect(answer).toEqual({ status, text: expect.stringMatching(reason) as unknown })
    expect((await world.fetch(at(own))).status).toBe(404)
    expect(world.bugs).toEqual([])
  })

  function mixed(): string {
    const [good, bad] = [attestationsOf(own, tarball), attestationsOf(other, tarball)].map(
      (text) => (JSON.parse(text) as { attestations: unknown[] }).attestations,
    )
    return JSON.stringify({ attestations: [good?.[0], bad?.[1]] })
  }
})
