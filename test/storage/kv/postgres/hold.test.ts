import { setTimeout as sleep } from 'node:timers/promises'

import { afterAll, beforeAll, expect, it } from 'vitest'

import { openPostgresKv } from '../../../../storage/kv/postgres/store.ts'
import { startWireProxy } from '../../../faults/wire-proxy.ts'
import { describeWith } from '../../../helpers/have.ts'
import { createDatabase, type TestDatabase } from '../../../helpers/postgres-database.ts'

const patient = new AbortController().signal

describeWith('postgres', 'work that one of several servers does', () => {
  let database: TestDatabase
  beforeAll(async () => {
    database = await createDatabase()
  })
  afterAll(() => database[Symbol.asyncDispose]())

  it('goes on at another one when the first gives it back, and when it closes its database', async () => {
    const first = await openPostgresKv({ url: database.url })
    await using second = await openPostgresKv({ url: database.url })
    const held = await first.hold('work', patient)
    let isTaken = false
    const waiting = second.hold('work', patient).finally(() => (isTaken = true))
    await new Promise((resolve) => setTimeout(resolve, 300))
    expect(isTaken).toBe(false)
    await held[Symbol.asyncDispose]()
    await (await waiting)[Symbol.asyncDispose]()
    const again = await first.hold('work', patient)
    await first[Symbol.asyncDispose]()
    expect(again.lost.aborted).toBe(true)
    await using _taken = await second.hold('work', patient)
  })

  it('is waited for by nobody who stops, though the database does not answer, and is then not kept', async () => {
    await using proxy = await startWireProxy(database.url)
    const { pathname, username } = new URL(database.url)
    await using kv = await openPostgresKv({ url: `postgres://${username}@${proxy.host}:${proxy.port}${pathname}` })
    await (await kv.hold('work', patient))[Symbol.asyncDispose]()
    proxy.faults.after = { bytes: 0, end: 'stall' }
    const stop = new AbortController()
    const waiting = kv.hold('work', stop.signal).catch((error: Error) => error.message)
    await expect.poll(() => holders(database)).toBe(1)
    stop.abort(new Error('enough'))
    expect(await Promise.race([waiting, sleep(1000, 'waits')])).toBe('enough')
    delete proxy.faults.after
    await expect.poll(() => holders(database)).toBe(0)
  })

  it('is stopped at the one that loses its connection, and can be had again', async () => {
    await using kv = await openPostgresKv({ url: database.url })
    const held = await kv.hold('work', patient)
    await expect.poll(() => holders(database)).toBe(1)
    const lost = new Promise((resolve) => held.lost.addEventListener('abort', resolve))
    await database.sql`SELECT pg_terminate_backend(pid) FROM pg_locks WHERE ${own(database)}`
    await lost
    await held[Symbol.asyncDispose]()
    await using again = await kv.hold('work', patient)
    expect(again.lost.aborted).toBe(false)
    expect(await holders(database)).toBe(1)
  })
})

async function holders({ sql }: Pick<TestDatabase, 'sql'>): Promise<number> {
  return (await sql`SELECT 1 FROM pg_locks WHERE ${own({ sql })}`).length
}

/** Other tests have locks as well, in databases of their own. */
function own({ sql }: Pick<TestDatabase, 'sql'>) {
  return sql`locktype = 'advisory' AND granted AND objsubid = 2
    AND database = (SELECT oid FROM pg_database WHERE datname = current_database())`
}
