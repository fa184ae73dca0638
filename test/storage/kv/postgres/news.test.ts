import { afterAll, beforeAll, expect, it } from 'vitest'

import { LIMITS } from '../../../../src/limits.ts'
import type { News } from '../../../../src/siblings.ts'
import { openPostgresNews, type NewsWire } from '../../../../storage/kv/postgres/news.ts'
import { startWireProxy } from '../../../faults/wire-proxy.ts'
import { describeWith } from '../../../helpers/have.ts'
import { createDatabase, type TestDatabase } from '../../../helpers/postgres-database.ts'

const charge = (key: string): News => ({ bucket: 'logins', change: 'charge', key })

describeWith('postgres', 'news between servers of one database', () => {
  let database: TestDatabase
  beforeAll(async () => {
    database = await createDatabase()
  })
  afterAll(() => database[Symbol.asyncDispose]())

  it('reaches every other one, and not the one that told it', async () => {
    await using world = await listeners(database, 3)
    const [one, two, three] = world.all
    for (const { heard } of world.all) heard.length = 0
    await one?.wire.tell('credentials changed')
    for (const key of ['a', 'b']) await one?.wire.tell(charge(key))
    for (const other of [two, three])
      await expect.poll(() => other?.heard).toEqual(['credentials changed', charge('a'), charge('b')])
    expect(one?.heard).toEqual([])
  })

  it('is not heard when somebody else writes nonsense to the channel', async () => {
    await using world = await listeners(database, 2)
    const [one, two] = world.all
    for (const { heard } of world.all) heard.length = 0
    for (const payload of ['', 'nonsense', '{"from":"me","news":["credentials changed"]}', '[[['])
      await database.sql`SELECT pg_notify('depot_news', ${payload})`
    await one?.wire.tell(charge('a'))
    await expect.poll(() => two?.heard).toEqual([charge('a')])
  })

  it('has everyone look at credentials again who was cut off, and tells what could not be told', async () => {
    await using world = await listeners(database, 2)
    const [one, two] = world.all
    for (const { heard } of world.all) heard.length = 0
    await database.sql`SELECT pg_terminate_backend(pid) FROM pg_stat_activity
      WHERE application_name = 'depot news' AND datname = current_database()`
    await one?.wire.tell('credentials changed')
    for (const each of [one, two]) await expect.poll(() => each?.heard).toContain('credentials changed')
    await expect.poll(() => listening(database)).toBe(2)
    await two?.wire.tell(charge('later'))
    await expect.poll(() => one?.heard).toContainEqual(charge('later'))
  })

  it('is begun again, and ended, when the database stops to answer before it has begun', async () => {
    let asked = 0
    await using proxy = await startWireProxy(database.url, {
      judge(sent) {
        if (sent.includes('user\0')) delete proxy.faults.after
        if (!sent.includes('LISTEN')) return undefined
        asked++
        proxy.faults.after = { bytes: 0, end: 'stall' }
        return undefined
      },
    })
    const { pathname, username } = new URL(database.url)
    const url = `postgres://${username}@${proxy.host}:${proxy.port}${pathname}?sslmode=disable&connect_timeout=1`
    const wire = openPostgresNews({ url })
    await expect.poll(() => asked, { timeout: 6 * LIMITS.databaseBusyTimeoutMs }).toBe(2)
    await wire[Symbol.asyncDispose]()
  })

  it('costs one connection for each server', async () => {
    await using _world = await listeners(database, 2)
    // Those of servers that have ended are gone a moment later.
    await expect.poll(() => listening(database)).toBe(2)
  })
})

interface Listener {
  readonly wire: NewsWire
  readonly heard: News[]
}

/** Servers that hear each other by now. */
async function listeners({ url }: TestDatabase, count: number) {
  const all = Array.from({ length: count }, (): Listener => {
    const wire = openPostgresNews({ url })
    const heard: News[] = []
    wire.hear((news) => void heard.push(news))
    return { wire, heard }
  })
  for (const { heard } of all) await expect.poll(() => heard).toEqual(['credentials changed'])
  return {
    all,
    async [Symbol.asyncDispose]() {
      for (const { wire } of all) await wire[Symbol.asyncDispose]()
    },
  }
}

async function listening({ sql }: TestDatabase): Promise<number> {
  const rows = await sql`
    SELECT 1 FROM pg_stat_activity WHERE application_name = 'depot news' AND datname = current_database()`
  return rows.length
}
