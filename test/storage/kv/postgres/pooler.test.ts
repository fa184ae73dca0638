import { afterAll, beforeAll, expect, it } from 'vitest'

import type { News } from '../../../../src/siblings.ts'
import { openPostgresKv } from '../../../../storage/kv/postgres/store.ts'
import { STARTUP_SETTINGS } from '../../../../storage/kv/postgres/connect.ts'
import { openPostgresNews } from '../../../../storage/kv/postgres/news.ts'
import { put } from '../../../conformance/kv-samples.ts'
import { describeWith } from '../../../helpers/have.ts'
import { startPgbouncer } from '../../../helpers/pgbouncer.ts'
import { administer, createDatabase, type TestDatabase } from '../../../helpers/postgres-database.ts'

const IGNORED = { ignore_startup_parameters: STARTUP_SETTINGS.join(',') }

describeWith(['postgres', 'pgbouncer'], 'a depot behind pgbouncer', () => {
  let database: TestDatabase
  beforeAll(async () => {
    database = await createDatabase()
    await set('synchronous_commit', 'on')
  })
  afterAll(() => database[Symbol.asyncDispose]())

  /** In the database: what a connection has that does not say otherwise. Servers for tests may be careless. */
  async function set(setting: string, value: string): Promise<void> {
    const name = new URL(database.url).pathname.slice(1)
    await administer(`ALTER ROLE CURRENT_USER IN DATABASE ${name} SET ${setting} = '${value}'`)
  }

  /** What it says when it cannot start: one line. */
  async function refusal(settings: Readonly<Record<string, string>>): Promise<string> {
    await using pooler = await startPgbouncer(database.url, settings)
    const error = await openPostgresKv({ url: pooler.url }).then(
      () => new Error('it started'),
      (reason: Error) => reason,
    )
    expect(error).toMatchObject({ code: 'STORAGE_DOWN' })
    expect(error.message).not.toContain('\n')
    return error.message
  }

  it('writes, holds and hears as without it when each client keeps its connection', async () => {
    await using pooler = await startPgbouncer(database.url, { pool_mode: 'session', ...IGNORED })
    await using kv = await openPostgresKv({ url: pooler.url })
    await using other = await openPostgresKv({ url: pooler.url })
    await Promise.all([kv.commit(put('a', 'one', 0)), other.commit(put('b', 'two', 0))])
    expect((await other.get(1, 'k', 'a'))?.value).toBe('one')
    await expect(other.commit(put('a', 'three', 0))).rejects.toMatchObject({ code: 'WRITE_CONFLICT' })

    const held = await kv.hold('work', new AbortController().signal)
    await expect(other.hold('work', AbortSignal.timeout(700))).rejects.toThrow('')
    await held[Symbol.asyncDispose]()
    await using _taken = await other.hold('work', new AbortController().signal)

    await using wires = new AsyncDisposableStack()
    const [one, two] = [
      wires.use(openPostgresNews({ url: pooler.url })),
      wires.use(openPostgresNews({ url: pooler.url })),
    ]
    const heard: News[] = []
    two.hear((news) => heard.push(news))
    await expect.poll(() => heard).toContain('credentials changed')
    heard.length = 0
    await one.tell('credentials changed')
    await expect.poll(() => heard).toContain('credentials changed')
  })

  it.each([
    { pool_mode: 'transaction' },
    { pool_mode: 'transaction', server_round_robin: '1', min_pool_size: '5' },
    { pool_mode: 'statement' },
  ])('does not start when clients share connections (%o), and says what is needed', async (shared) => {
    expect(await refusal({ ...shared, ...IGNORED })).toMatch(/^a pooler .*pgbouncer needs pool_mode = session and/)
  })

  it('says which settings the pooler must let pass, all of them at once', async () => {
    const text = await refusal({ pool_mode: 'session' })
    expect(text).toContain(`ignore_startup_parameters = ${STARTUP_SETTINGS.join(',')}`)
  })

  it.each([
    ['synchronous_commit', 'off', 'on'],
    ['default_transaction_isolation', 'serializable', 'read committed'],
  ])('does not start when the pooler keeps %s from the server, which has it %s', async (setting, value, good) => {
    await set(setting, value)
    try {
      expect(await refusal({ pool_mode: 'session', ...IGNORED })).toMatch(
        new RegExp(`${setting} is ${value}: ALTER ROLE`),
      )
    } finally {
      await set(setting, good)
    }
  })
})
