import { afterAll, beforeAll, describe, expect, it } from 'vitest'

import { MAIN_CACHE } from '../../../src/kv-store.ts'
import { LIMITS } from '../../../src/limits.ts'
import { KIND, readVersion } from '../../../protocols/npm/records.ts'
import { startGuardedWorld } from '../../helpers/guarded-world.ts'
import { distOf, publishOf, tarballOf } from '../../helpers/npm-fixtures.ts'
import { json, publish, startNpmWorld } from '../../helpers/npm-world.ts'
import { attestationsOf } from '../../helpers/saved-npm.ts'
import type { World } from '../../helpers/world.ts'

let world: World
beforeAll(async () => void (world = await startNpmWorld()))
afterAll(() => world[Symbol.asyncDispose]())

async function ask(asked: unknown): Promise<{ status: number; answer: Record<string, unknown> }> {
  const body = typeof asked === 'string' ? asked : JSON.stringify(asked)
  const response = await world.fetch('/npm/-/missing-versions', { method: 'POST', body })
  return { status: response.status, answer: await json(response) }
}

describe('the question which versions are missing', () => {
  it('tells what is missing from what is there with other bytes, and from what was deleted', async () => {
    const { integrity, shasum } = distOf(await publish(world, { name: '@acme/here', version: '1.0.0' }))
    await publish(world, { name: '@acme/here', version: '1.1.0' })
    await publish(world, { name: '@acme/here', version: '1.2.0' })
    await world.fetch('/npm/@acme%2fhere/1.2.0', { method: 'DELETE' })
    const here = (version: string, more = {}) => ({ name: '@acme/here', version, ...more })
    const { status, answer } = await ask([
      here('1.0.0', { integrity, shasum }),
      here('1.1.0', { integrity }),
      here('1.2.0'),
      here('1.3.0'),
      here('not a version'),
      { name: 'nowhere', version: '1.0.0' },
      { name: '../etc', version: '1.0.0' },
      { name: '__proto__', version: '1.0.0' },
    ])
    expect(status).toBe(200)
    expect(answer).toMatchObject({
      missing: ['@acme/here@1.3.0', '@acme/here@not a version', 'nowhere@1.0.0', '../etc@1.0.0', '__proto__@1.0.0'],
      differs: ['@acme/here@1.1.0'],
      deleted: ['@acme/here@1.2.0'],
      packages: [{ name: '@acme/here', tags: { latest: '1.1.0' }, set: ['latest'], deprecated: [], attested: [] }],
    })
    const [found] = answer['packages'] as { time: object }[]
    expect(Object.keys(found?.time ?? {})).toEqual(['1.0.0', '1.1.0'])
  })

  it('tells tags that another registry set, deprecations and provenance', async () => {
    const own = { name: 'told', version: '1.0.0' }
    const tarball = await publish(world, own)
    await publish(world, { ...own, version: '1.1.0' })
    const time = { modified: '2021-01-01T00:00:00Z' }
    const history = { time, tags: { lts: '1.0.0', latest: '1.0.0' }, deprecated: { '1.1.0': 'broken' } }
    const put = { method: 'PUT', body: JSON.stringify(history) }
    expect((await world.fetch('/npm/-/packages/told/history', put)).status).toBe(200)
    const tagged = { method: 'PUT', body: '"1.1.0"' }
    expect((await world.fetch('/npm/-/package/told/dist-tags/latest', tagged)).status).toBe(201)
    const said = { method: 'PUT', body: attestationsOf(own, tarball) }
    await world.fetch('/npm/-/npm/v1/attestations/told@1.0.0', said)
    const { answer } = await ask([own, { ...own, version: '1.1.0' }])
    expect(answer['packages']).toMatchObject([
      {
        tags: { lts: '1.0.0', latest: '1.1.0' },
        set: ['latest'],
        modified: '2021-01-01T00:00:00Z',
        deprecated: ['1.1.0'],
        attested: ['1.0.0'],
      },
    ])
  })

  it('counts a version whose tarball is out of service as missing, and sending it again heals it', async () => {
    const own = { name: 'damaged', version: '1.0.0' }
    const tarball = await publish(world, own)
    const record = await world.depot.get(MAIN_CACHE, KIND.version, 'damaged@1.0.0')
    const found = readVersion(record?.value ?? '')
    await world.depot.kv.setBlobState('main', found.digest, 'quarantined')
    expect((await ask([own])).answer).toMatchObject({ missing: ['damaged@1.0.0'] })
    const body = Uint8Array.from(tarball)
    expect((await world.fetch('/npm/damaged/-/damaged-1.0.0.tgz', { method: 'PUT', body })).status).toBe(200)
    expect((await ask([own])).answer).toMatchObject({ missing: [] })
  })

  it('counts as missing what its caller may not know of', async () => {
    await using guarded = await startGuardedWorld({ reads: 'closed' })
    const headersOf = (token: string) => ({ headers: { authorization: `Bearer ${token}` } })
    const writer = headersOf(await guarded.token('npm:write:*'))
    for (const name of ['@in/one', '@out/one']) {
      const own = { name, version: '1.0.0' }
      const body = JSON.stringify(publishOf(own, await tarballOf(own)))
      expect((await guarded.fetch(`/npm/${name}`, { method: 'PUT', body, ...writer })).status).toBe(201)
    }
    const body = JSON.stringify(['@in/one', '@out/one', '@out/two'].map((name) => ({ name, version: '1.0.0' })))
    const asked = async (...grants: readonly string[]) =>
      guarded.fetch('/npm/-/missing-versions', {
        method: 'POST',
        body,
        ...headersOf(await guarded.token(...grants)),
      })
    const missing = async (...grants: readonly string[]) => (await json(await asked(...grants)))['missing']
    expect(await missing('npm:read:*')).toEqual(['@out/two@1.0.0'])
    expect(await missing('npm:read:@in/*')).toEqual(['@out/one@1.0.0', '@out/two@1.0.0'])
    expect((await asked('python:read:*')).status).toBe(404)
    expect((await guarded.fetch('/npm/-/missing-versions', { method: 'POST', body })).status).toBe(401)
  })

  it.each<[unknown, number]>([
    ['{', 400],
    [{}, 400],
    [['a@1.0.0'], 400],
    [[{ name: 'a' }], 400],
    [[{ name: 'told', version: '1.0.0', integrity: 'md5-x' }], 400],
    [Array.from({ length: LIMITS.npmMissingVersionsMax + 1 }, () => ({ name: 'a', version: '1.0.0' })), 400],
    [`[${' '.repeat(LIMITS.npmMissingBodyBytesMax)}]`, 413],
  ])('is refused when it is none: %#', async (asked, status) => {
    expect((await ask(asked)).status).toBe(status)
    expect(world.bugs).toEqual([])
  })
})
