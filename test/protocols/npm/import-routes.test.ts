import { afterAll, beforeAll, describe, expect, it } from 'vitest'

import { KIND, readPackage } from '../../../protocols/npm/records.ts'
import { MAIN_CACHE } from '../../../src/kv-store.ts'
import { json, publish, startNpmWorld } from '../../helpers/npm-world.ts'
import type { World } from '../../helpers/world.ts'

let world: World
beforeAll(async () => void (world = await startNpmWorld()))
afterAll(() => world[Symbol.asyncDispose]())

async function putHistory(name: string, history: unknown): Promise<{ status: number; text: string }> {
  const body = typeof history === 'string' ? history : JSON.stringify(history)
  const response = await world.fetch(`/npm/-/packages/${name}/history`, { method: 'PUT', body })
  return { status: response.status, text: await response.text() }
}

async function audited(): Promise<string[]> {
  return (await world.depot.kv.audit(0, 10_000)).map(({ resource }) => resource)
}

describe('the history of a package that came from elsewhere', () => {
  it('keeps the original dates to the letter, in both forms of the packument and in their order', async () => {
    for (const version of ['2.0.0', '1.0.0', '1.1.0']) await publish(world, { name: '@acme/dated', version })
    const time = {
      created: '2019-01-01T00:00:00.000Z',
      modified: '2021-05-05T05:05:05.555Z',
      '1.0.0': '2019-01-01T00:00:00.000Z',
      '1.1.0': '2020-02-02T02:02:02Z',
      '2.0.0': '2021-03-03T03:03:03.123456Z',
    }
    expect(await putHistory('@acme%2fdated', { time })).toMatchObject({ status: 200 })
    const full = await json(await world.fetch('/npm/@acme/dated'))
    expect(full['time']).toEqual(time)
    expect(Object.keys(full['versions'] as object)).toEqual(['1.0.0', '1.1.0', '2.0.0'])
    const headers = { Accept: 'application/vnd.npm.install-v1+json' }
    const short = await json(await world.fetch('/npm/@acme/dated', { headers }))
    expect(short).toMatchObject({ time, modified: time.modified })
  })

  it('moves tags, deprecates, counts stars and sets the readme', async () => {
    for (const version of ['1.0.0', '1.1.0']) await publish(world, { name: 'told', version, description: 'a package' })
    const history = {
      tags: { latest: '1.0.0', lts: '1.0.0' },
      deprecated: { '1.1.0': 'broken' },
      stars: ['alice'],
      fields: { readme: '# Told' },
    }
    expect(await putHistory('told', history)).toMatchObject({ status: 200 })
    expect(await json(await world.fetch('/npm/told'))).toMatchObject({
      'dist-tags': { latest: '1.0.0', lts: '1.0.0' },
      versions: { '1.1.0': { deprecated: 'broken' } },
      readme: '# Told',
      description: 'a package',
    })
    const record = await world.depot.get(MAIN_CACHE, KIND.package, 'told')
    expect(readPackage(record?.value ?? '').stars).toEqual(['alice'])
  })

  it.each(['2020-02-31T00:00:00Z', '2021-02-29T12:00:00.5Z', '2020-01-01T24:00:00Z', '2020-13-01T00:00:00Z'])(
    'refuses the time %s, which no calendar has',
    async (time) => {
      await publish(world, { name: 'timed', version: '1.0.0' }).catch(() => {})
      expect(await putHistory('timed', { time: { '1.0.0': time } })).toMatchObject({ status: 400 })
    },
  )

  it('does not grow with each request', async () => {
    await publish(world, { name: 'swollen', version: '1.0.0' })
    const stars = (from: number): readonly string[] => Array.from({ length: 6_000 }, (_, at) => `user-${from + at}`)
    expect(await putHistory('swollen', { stars: stars(0), fields: { a: 'x'.repeat(9_000_000) } })).toMatchObject({
      status: 200,
    })
    expect(await putHistory('swollen', { stars: stars(5_000) })).toMatchObject({ status: 413 })
    expect(await putHistory('swollen', { fields: { b: 'x'.repeat(9_000_000) } })).toMatchObject({ status: 413 })
    expect(await putHistory('swollen', { fields: { a: 'less' } })).toMatchObject({ status: 200 })
  })

  it('leaves a later version its place as the last change', async () => {
    await publish(world, { name: 'grown', version: '1.0.0' })
    await publish(world, { name: 'grown', version: '1.1.0' })
    const before = (await json(await world.fetch('/npm/grown')))['time'] as Record<string, string>
    const time = { created: '2019-01-01T00:00:00Z', modified: '2019-01-01T00:00:00Z', '1.0.0': '2019-01-01T00:00:00Z' }
    await putHistory('grown', { time })
    expect((await json(await world.fetch('/npm/grown')))['time']).toEqual({
      ...time,
      '1.1.0': before['1.1.0'],
      modified: before['1.1.0'],
    })
  })

  it('changes nothing and writes no audit line when all of it is known', async () => {
    await publish(world, { name: 'again', version: '1.0.0' })
    const before = (await audited()).length
    const history = { time: { '1.0.0': '2019-01-01T00:00:00Z' }, tags: { old: '1.0.0' } }
    for (let times = 0; times < 3; times++) expect(await putHistory('again', history)).toMatchObject({ status: 200 })
    expect((await audited()).slice(before)).toEqual(['again history'])
  })

  it('refuses versions that are not here, the future, and what is no history', async () => {
    await publish(world, { name: 'strict', version: '1.0.0' })
    const before = await json(await world.fetch('/npm/strict'))
    const soon = new Date(Date.now() + 3_600_000).toISOString()
    for (const [history, why] of [
      [{ time: { '1.0.1': '2019-01-01T00:00:00Z' } }, 'version 1.0.1 is not here'],
      [{ tags: { old: '0.9.0' } }, 'version 0.9.0 is not here'],
      [{ deprecated: { '0.9.0': 'x' } }, 'version 0.9.0 is not here'],
      [{ time: { '1.0.0': soon } }, 'lies in the future'],
      [{ time: { '1.0.0': 'yesterday' } }, 'the history'],
      [{ time: { '1.0.0': '2019-99-01T00:00:00Z' } }, 'the history'],
      [{ tags: { '1.x': '1.0.0' } }, 'cannot be a dist-tag'],
      [{ fields: { versions: {} } }, 'does not describe a package'],
      [{ fields: { constructor: {} } }, 'does not describe a package'],
      [{ versions: {} }, 'the history'],
      ['{"time":{"__proto__":"2019-01-01T00:00:00Z"}}', '__proto__'],
      ['{"tags":', 'not JSON'],
      ['[]', 'the history'],
    ] as const) {
      const { status, text } = await putHistory('strict', history)
      expect({ status, text }).toEqual({ status: 400, text: expect.stringContaining(why) as unknown })
    }
    expect(await json(await world.fetch('/npm/strict'))).toEqual(before)
    expect(await putHistory('nowhere', {})).toMatchObject({ status: 404 })
    expect(world.bugs).toEqual([])
  })

  it('does not lose a version that is published meanwhile', async () => {
    await publish(world, { name: 'busy', version: '0.0.0' })
    const versions = Array.from({ length: 10 }, (_, patch) => `1.0.${patch}`)
    await Promise.all([
      ...versions.map((version) => publish(world, { name: 'busy', version })),
      ...versions.map((_, day) => putHistory('busy', { time: { '0.0.0': `2019-01-0${(day % 9) + 1}T00:00:00Z` } })),
    ])
    const { versions: found } = await json(await world.fetch('/npm/busy'))
    expect(Object.keys(found as object).sort()).toEqual(['0.0.0', ...versions])
  })
})
