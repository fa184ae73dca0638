import { afterAll, beforeAll, describe, expect, it } from 'vitest'

import { npmProtocol } from '../../../protocols/npm/index.ts'
import { MAIN_CACHE } from '../../../src/kv-store.ts'
import { LIMITS } from '../../../src/limits.ts'
import { npmVersions } from '../../helpers/many-records.ts'
import { publishOf, tarballOf } from '../../helpers/npm-fixtures.ts'
import { json } from '../../helpers/npm-world.ts'
import { startWorld, type World } from '../../helpers/world.ts'

/** As many as typescript has. */
const VERSIONS = 3_500

const PASSES: Readonly<Record<string, number>> = { users: 201, 'unheard-of': 413 }

/** Put a package with so many versions there, without sending each. */
async function fill(world: World, name: string, count: number): Promise<void> {
  for (const puts of npmVersions(name, count)) await world.depot.commit(MAIN_CACHE, { puts })
}

async function publishBody(name: string, version: string): Promise<string> {
  return JSON.stringify(publishOf({ name, version }, await tarballOf({ name, version })))
}

describe('a package of thousands of versions', () => {
  let world: World
  beforeAll(async () => {
    world = await startWorld({ protocols: [npmProtocol()] })
    await fill(world, 'big', VERSIONS)
  }, 60_000)
  afterAll(() => world[Symbol.asyncDispose]())

  const put = (path: string, body: string) => world.fetch(`/npm/${path}`, { method: 'PUT', body })

  it('takes in thirty more at once', async () => {
    const bodies = await Promise.all(Array.from({ length: 30 }, (_, minor) => publishBody('big', `2.${minor}.0`)))
    const answers = await Promise.all(bodies.map((body) => put('big', body)))
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([201]))
    expect(Object.keys((await json(await world.fetch('/npm/big')))['versions'] as object)).toHaveLength(VERSIONS + 30)
  }, 60_000)

  it('is deprecated whole with the packument that npm sends back, and deleted whole', async () => {
    const document = await json(await world.fetch('/npm/big?write=true'))
    const versions = document['versions'] as Record<string, { deprecated?: string }>
    for (const version of Object.values(versions)) version.deprecated = 'all of them'
    const body = JSON.stringify(document)
    const count = Object.keys(versions).length
    const answer = await put('big', body)
    expect([answer.status, await json(answer)]).toEqual([201, expect.anything()])
    const after = await json(await world.fetch('/npm/big'))
    const texts = Object.values(after['versions'] as object).map(
      (version: { deprecated?: string }) => version.deprecated,
    )
    expect(texts.filter((text) => text === 'all of them')).toHaveLength(count)

    const path = `/npm/big/-rev/${String(after['_rev'])}`
    expect((await world.fetch(path, { method: 'DELETE' })).status).toBe(200)
    expect((await world.fetch('/npm/big')).status).toBe(404)
    expect(world.bugs).toEqual([])
  }, 60_000)

  it.each([
    ['versions', 1],
    ['dist-tags', '1.0.0'],
    ['_attachments', { data: '' }],
    ['users', true],
    ['unheard-of', { a: 1 }],
  ])(
    'is not made by a hundred thousand %s in one body',
    async (field, value) => {
      const table = Object.fromEntries(Array.from({ length: 100_000 }, (_, patch) => [`1.0.${patch}`, value]))
      const own = { name: `hostile-${field.replace('_', '')}`, version: '1.0.0' }
      const publish: Record<string, unknown> = publishOf(own, await tarballOf(own))
      const merged = { ...publish, [field]: { ...(publish[field] as object | undefined), ...table } }
      const statuses: number[] = []
      for (const body of [{ name: own.name, [field]: table }, merged])
        statuses.push((await put(own.name, JSON.stringify(body))).status)
      // What says nothing to this registry passes through, up to the bound on the values of one body.
      expect(statuses).toEqual([expect.toBeOneOf([400, 413]), PASSES[field] ?? 400])
    },
    60_000,
  )

  it('has its bound', async () => {
    await fill(world, 'full', LIMITS.npmVersionsPerPackageMax)
    const answer = await put('full', await publishBody('full', '2.0.0'))
    expect([answer.status, await json(answer)]).toEqual([
      413,
      { error: expect.stringMatching(/too many versions/) as unknown },
    ])
    expect((await world.fetch('/npm/full/2.0.0')).status).toBe(404)
  }, 60_000)
})
