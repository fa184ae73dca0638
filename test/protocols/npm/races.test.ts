import { afterAll, beforeAll, describe, expect, it } from 'vitest'

import { describeWith } from '../../helpers/have.ts'
import { publishOf, tarballOf } from '../../helpers/npm-fixtures.ts'
import { json, publish, put, startNpmWorld } from '../../helpers/npm-world.ts'
import { createDatabase, type TestDatabase } from '../../helpers/postgres-database.ts'
import type { World } from '../../helpers/world.ts'

const ROUNDS = 25

/** The same request by both servers is not the same turn: only the database tells them apart. */
function describeRaces(driver: string, open: () => Promise<TestDatabase | undefined>): void {
  describe(`changes of one package at once, in ${driver}`, () => {
    let database: TestDatabase | undefined
    let worlds: readonly World[]
    beforeAll(async () => {
      database = await open()
      const { url } = database ?? {}
      worlds =
        url === undefined
          ? [await startNpmWorld()]
          : [await startNpmWorld({ databaseUrl: url }), await startNpmWorld({ databaseUrl: url })]
    })
    afterAll(async () => {
      for (const world of worlds) await world[Symbol.asyncDispose]()
      await database?.[Symbol.asyncDispose]()
    })

    it('a tag that comes with a manifest never names a version that is deleted meanwhile', async () => {
      const [one, other = one] = worlds
      if (one === undefined || other === undefined) throw new Error('no server')
      for (let round = 0; round < ROUNDS; round++) {
        const name = `raced-${round}`
        await publish(one, { name, version: '1.0.0' })
        await publish(one, { name, version: '2.0.0' })
        const manifest = await (await one.fetch(`/npm/${name}/2.0.0`)).text()
        const headers = { 'Content-Type': 'application/json' }
        const tag = (world: World, word: string): Promise<Response> =>
          world.fetch(`/npm/${name}/${word}`, { method: 'PUT', headers, body: manifest })
        const deleted = other.fetch(`/npm/${name}/2.0.0`, { method: 'DELETE' })
        await Promise.all([tag(one, 'next'), tag(other, 'rc'), deleted, tag(one, 'beta'), tag(other, 'alpha')])
        const { versions, time, 'dist-tags': tags } = await json(await one.fetch(`/npm/${name}`))
        const said = { versions: Object.keys(versions as object), times: Object.keys(time as object), tags }
        expect(said).toEqual({
          versions: ['1.0.0'],
          times: ['created', 'modified', '1.0.0'],
          tags: { latest: '1.0.0' },
        })
      }
    })
  })
}

describeRaces('SQLite', async () => undefined)
describeWith(['postgres'], 'npm packages that two servers change', () => {
  describeRaces('PostgreSQL', () => createDatabase())
})

it('a package gets no more tags by publishes than by tagging', async () => {
  await using world = await startNpmWorld()
  const statuses: number[] = []
  for (let version = 0; version < 11; version++) {
    const own = { name: 'tagged', version: `1.0.${version}` }
    const body = publishOf(own, await tarballOf(own))
    const tags = Array.from({ length: 100 }, (_, index) => [`t${version}-${index}`, own.version])
    statuses.push((await put(world, 'tagged', { ...body, 'dist-tags': Object.fromEntries(tags) })).status)
  }
  // One of them is `latest`, which the first publish gives by itself.
  expect(statuses).toEqual([...Array.from({ length: 9 }, () => 201), 413, 413])
})
