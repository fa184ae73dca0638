import { setTimeout as sleep } from 'node:timers/promises'

import { describe, expect, it } from 'vitest'

import { LIMITS } from '../../../../src/limits.ts'
import { openPostgresKv } from '../../../../storage/kv/postgres/store.ts'
import { oftenOf, sharedTrips, type RunRows } from '../../../../storage/kv/postgres/trips.ts'
import { describeWith } from '../../../helpers/have.ts'
import { createDatabase } from '../../../helpers/postgres-database.ts'

const query = { once: 'once', often: 'often' }

/** Answers each asking with its own value, except `missing`, and notes how it was asked. */
function echo() {
  const trips: { readonly text: string; readonly asked: number }[] = []
  let underWay = 0
  let most = 0
  const run: RunRows = async (text, values) => {
    const askings = text === 'once' ? [values] : (JSON.parse(String(values[0])) as unknown[][])
    trips.push({ text, asked: askings.length })
    most = Math.max(most, ++underWay)
    await new Promise((resolve) => setTimeout(resolve, 10))
    underWay--
    if (askings.some(([value]) => value === 'broken')) throw new Error('broken')
    const rows = askings.flatMap(([value], index) => (value === 'missing' ? [] : [[index + 1, value]]))
    return text === 'once' ? rows.map(([, ...row]) => row) : rows.toReversed()
  }
  return { run, trips, most: () => most }
}

describe('reads of single rows', () => {
  it('that come together make one trip, and each has its own answer', async () => {
    const { run, trips } = echo()
    const ask = sharedTrips(run)
    const names = ['a', 'missing', 'b', 'a']
    expect(await Promise.all(names.map((name) => ask(query, [name])))).toEqual([['a'], undefined, ['b'], ['a']])
    expect(await ask(query, ['alone'])).toEqual(['alone'])
    expect(await ask(query, ['missing'])).toBeUndefined()
    expect(trips).toEqual([
      { text: 'often', asked: 4 },
      { text: 'once', asked: 1 },
      { text: 'once', asked: 1 },
    ])
  })

  it('wait for a trip when many are on their way, and lose nobody', async () => {
    const { run, trips, most } = echo()
    const ask = sharedTrips(run)
    const names = Array.from({ length: 5 * LIMITS.databaseAskingsPerTrip + 1 }, (_, index) => `n${index}`)
    const other = { once: 'once', often: 'often' }
    const answers = await Promise.all(names.map((name, index) => ask(index % 2 === 0 ? query : other, [name])))
    expect(answers).toEqual(names.map((name) => [name]))
    expect(most()).toBeLessThanOrEqual(LIMITS.databaseTripsAtOnce)
    for (const { asked } of trips) expect(asked).toBeLessThanOrEqual(LIMITS.databaseAskingsPerTrip)
  })

  it('of one kind do not keep those of another waiting, however many they are', async () => {
    const left: string[] = []
    const arrivals: (() => void)[] = []
    const ask = sharedTrips((text) => {
      left.push(text)
      return new Promise((resolve) => arrivals.push(() => resolve([])))
    })
    let isOver = false
    // As many as fill every trip, again and again.
    const crowd = Array.from({ length: 4 * LIMITS.databaseAskingsPerTrip }, async () => {
      while (!isOver) await ask(query, ['many'])
    })
    await expect.poll(() => left.length).toBe(LIMITS.databaseTripsAtOnce)
    const other = ask({ once: 'other', often: 'others' }, ['one'])
    for (let arrived = 0; arrived < 3; arrived++) {
      arrivals.shift()?.()
      await sleep(10)
    }
    isOver = true
    expect(left).toContain('other')
    while (arrivals.length > 0) {
      arrivals.shift()?.()
      await sleep(10)
    }
    await Promise.all([other, ...crowd])
  })

  it('fail with those that they travelled with, and with no others', async () => {
    const { run } = echo()
    const ask = sharedTrips(run)
    const together = await Promise.allSettled(['a', 'broken'].map((name) => ask(query, [name])))
    expect(together.map(({ status }) => status)).toEqual(['rejected', 'rejected'])
    expect(await ask(query, ['b'])).toEqual(['b'])
  })

  it('have constants in the statement for many, quoted', () => {
    const text = oftenOf('SELECT x FROM t WHERE a = $1 AND b = $2 AND c = $3 LIMIT $4', [
      { type: 'integer' },
      "it's",
      { type: 'text' },
      1,
    ])
    expect(text).toContain(
      "a = (asking.parts ->> 0)::integer AND b = 'it''s' AND c = (asking.parts ->> 2)::text LIMIT 1",
    )
  })
})

describeWith('postgres', 'reads of single rows from PostgreSQL', () => {
  it('find the same together as alone, whatever is in a name', async () => {
    await using database = await createDatabase()
    await using kv = await openPostgresKv({ url: database.url })
    const keys = ["it's", '"', '\\', '\\u0000', '{}', '[1]', 'ß', '💾', 'null', '', ' ', '$1', '%', 'A', 'a'].map(
      (key) => `k${key}`,
    )
    await kv.commit({ cache: 1, puts: keys.map((key, index) => ({ kind: 'k', key, value: String(index) })) })
    const wanted = [...keys, 'none', 'k\0', 'K']
    const together = await Promise.all(wanted.map((key) => kv.get(1, 'k', key)))
    expect(together.map((record) => record?.value)).toEqual([
      ...keys.map((_, index) => String(index)),
      undefined,
      undefined,
      undefined,
    ])
    for (const [index, key] of wanted.entries()) expect(await kv.get(1, 'k', key)).toEqual(together[index])
  })

  it('look at no more rows together than alone', async () => {
    await using database = await createDatabase()
    await using _kv = await openPostgresKv({ url: database.url })
    await database.sql`INSERT INTO record (cache, kind, key, value, version) SELECT 1, 'k', 'key-' || n, '1', 1 FROM generate_series(1, 5000) AS n`
    await database.sql`ANALYZE record`
    const often = oftenOf('SELECT value FROM record WHERE cache = $1 AND kind = $2 AND key = $3', [
      { type: 'integer' },
      { type: 'text' },
      { type: 'text' },
    ])
    const asked = JSON.stringify([[1, 'k', 'key-1']])
    await database.sql`SET plan_cache_mode = force_generic_plan`
    const plan = await database.sql.unsafe(`EXPLAIN ${often}`, [asked], { prepare: true })
    expect(JSON.stringify(plan)).toMatch(/Index (?:Only )?Scan/)
    expect(JSON.stringify(plan)).not.toContain('Seq Scan')
  })
})
