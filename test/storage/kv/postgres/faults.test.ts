import { createServer } from 'node:net'

import { afterAll, beforeAll, describe, expect, it } from 'vitest'

import { hasCode } from '../../../../src/errors.ts'
import type { KvStore } from '../../../../src/kv-store.ts'
import { openPool } from '../../../../storage/kv/postgres/pool.ts'
import { postgresError } from '../../../../storage/kv/postgres/errors.ts'
import { openPostgresKv } from '../../../../storage/kv/postgres/store.ts'
import { auditEntry } from '../../../conformance/kv-samples.ts'
import { startWireProxy } from '../../../faults/wire-proxy.ts'
import { describeWith } from '../../../helpers/have.ts'
import { administer, createDatabase, type TestDatabase } from '../../../helpers/postgres-database.ts'

describe('a PostgreSQL server that is not there', () => {
  it('is STORAGE_DOWN at once', async () => {
    const server = createServer().listen(0, '127.0.0.1')
    await new Promise((resolve) => server.once('listening', resolve))
    const address = server.address()
    const port = address !== null && typeof address === 'object' ? address.port : 0
    await new Promise((resolve) => server.close(resolve))
    const opening = openPostgresKv({ url: `postgres://depot@127.0.0.1:${port}/depot` })
    await expect(opening).rejects.toMatchObject({ code: 'STORAGE_DOWN', cause: { code: 'ECONNREFUSED' } })
  })
})

describe('PostgreSQL errors', () => {
  it.each([
    ['53100', 'STORAGE_FULL'],
    ['57P01', 'STORAGE_DOWN'],
    ['57014', 'STORAGE_DOWN'],
    ['53300', 'STORAGE_DOWN'],
    ['40P01', 'STORAGE_DOWN'],
    ['28P01', 'STORAGE_DOWN'],
    ['25006', 'STORAGE_DOWN'],
    ['42P01', 'STORAGE_DOWN'],
    ['42501', 'STORAGE_DOWN'],
  ])('with SQLSTATE %s are %s', (code, expected) => {
    expect(postgresError(serverError(code))).toMatchObject({ code: expected })
  })

  it.each([
    'CONNECTION_CLOSED',
    'CONNECTION_ENDED',
    'CONNECT_TIMEOUT',
    'EPIPE',
    'ECONNRESET',
    'EAI_AGAIN',
    'CERT_HAS_EXPIRED',
  ])('of the connection, %s, are STORAGE_DOWN', (code) => {
    expect(postgresError(Object.assign(new Error(code), { code }))).toMatchObject({ code: 'STORAGE_DOWN' })
  })

  it('that are mistakes of ours stay what they are', () => {
    const mistakes = ['42703', '22021', '23503'].map(serverError)
    const others = [
      new TypeError('x'),
      Object.assign(new Error('x'), { code: 'ERR_INVALID_ARG_TYPE' }),
      'text',
      undefined,
    ]
    for (const error of [...mistakes, ...others]) expect(postgresError(error)).toBe(error)
  })
})

describeWith('postgres', 'names in PostgreSQL when it misbehaves', () => {
  let database: TestDatabase
  let kv: KvStore
  beforeAll(async () => {
    database = await createDatabase()
    kv = await openPostgresKv({ url: database.url, poolMax: 3 })
  })
  afterAll(async () => {
    await kv[Symbol.asyncDispose]()
    await database[Symbol.asyncDispose]()
  })

  it('opens no more connections than it may', async () => {
    await Promise.all(Array.from({ length: 50 }, (_, index) => put(kv, `pool-${index}`)))
    const mine = await database.sql`
      SELECT 1 FROM pg_stat_activity WHERE application_name = 'depot' AND datname = current_database()`
    expect(mine.length).toBeGreaterThan(0)
    expect(mine.length).toBeLessThanOrEqual(3)
  })

  it('waits for the disk at every commit, and cancels a statement that hangs', async () => {
    const options = await settingsOf(database.url)
    expect(options).toEqual({
      synchronous_commit: 'on',
      statement_timeout: '30s',
      default_transaction_isolation: 'read committed',
    })
  })

  it('comes back by itself when its connections are cut', async () => {
    await put(kv, 'before')
    const commits = Array.from({ length: 30 }, (_, index) => put(kv, `cut-${index}`).then(() => index, failure))
    await cutConnections(database)
    const results = await Promise.all(commits)
    const failures = results.filter((result) => typeof result !== 'number')
    expect(failures.filter((error) => !hasCode(error, 'STORAGE_DOWN'))).toEqual([])
    const acknowledged = results.filter((result) => typeof result === 'number')
    // One read proves one connection; the others may still be learning that they were cut.
    const lost = async (): Promise<number> => {
      const stored = await Promise.all(acknowledged.map((index) => kv.get(1, 'k', `cut-${index}`)))
      return stored.filter((record) => record === undefined).length
    }
    await expect.poll(() => lost().catch(failure)).toBe(0)
    await put(kv, 'after')
  })

  it('reads and changes through an outage as short as a restart', async () => {
    await using proxy = await startWireProxy(database.url)
    const { pathname, username } = new URL(database.url)
    await using own = await openPostgresKv({ url: `postgres://${username}@${proxy.host}:${proxy.port}${pathname}` })
    await put(own, 'outage')
    proxy.faults.refusing = true
    proxy.resetAll()
    const all = Promise.all([put(own, 'meanwhile'), own.get(1, 'k', 'outage')])
    all.catch(() => {})
    // Several tries on, and not by the clock: a machine that stands still would make it a long one.
    await expect.poll(() => proxy.refused(), { interval: 5 }).toBeGreaterThan(10)
    delete proxy.faults.refusing
    expect(await all).toEqual([undefined, expect.objectContaining({ version: 1 })])
  })

  it('is STORAGE_DOWN while its tables are taken away, as a restore does, and goes on when they are back', async () => {
    await put(kv, 'restored')
    await database.sql`CREATE SCHEMA aside`
    const move = async (from: string, to: string): Promise<void> => {
      for (const table of ['record', 'migration'])
        await database.sql.unsafe(`ALTER TABLE ${from}.${table} SET SCHEMA ${to}`)
    }
    await move('public', 'aside')
    const asked = [kv.get(1, 'k', 'restored'), put(kv, 'lost'), kv.ping()]
    for (const { reason } of (await Promise.allSettled(asked)) as PromiseRejectedResult[])
      expect(reason).toMatchObject({ code: 'STORAGE_DOWN', message: expect.stringContaining('42P01') })
    await move('aside', 'public')
    expect(await kv.get(1, 'k', 'restored')).toMatchObject({ version: 1 })
    await kv.ping()
  })

  it('is STORAGE_DOWN while the database refuses writes, and reads go on', async () => {
    const name = new URL(database.url).pathname.slice(1)
    await using own = await openPostgresKv({ url: database.url, poolMax: 1 })
    await put(own, 'readable')
    await administer(`ALTER DATABASE ${name} SET default_transaction_read_only = on`)
    try {
      await cutConnections(database)
      await expect.poll(() => put(own, 'x').catch((error: Error) => error.message)).toContain('25006')
      expect(await own.get(1, 'k', 'readable')).toMatchObject({ version: 1 })
    } finally {
      await administer(`ALTER DATABASE ${name} RESET default_transaction_read_only`)
      await cutConnections(database)
    }
    await expect.poll(() => own.ping().then(() => 'up', failure)).toBe('up')
    await put(own, 'x')
  })

  it('does a commit again that met a deadlock', async () => {
    await Promise.all([put(kv, 'd-a'), put(kv, 'd-b')])
    // We take d-b and then d-a; the commit takes them the other way round, and one of the two is the victim.
    const mine = database.sql.begin(async (sql) => {
      await sql`UPDATE record SET value = 'mine' WHERE key = 'd-b'`
      const theirs = kv.commit({ cache: 1, puts: ['d-a', 'd-b'].map((key) => ({ kind: 'k', key, value: 'theirs' })) })
      await new Promise((resolve) => setTimeout(resolve, 200))
      await sql`UPDATE record SET value = 'mine' WHERE key = 'd-a'`.catch(() => {})
      return { theirs }
    })
    const { theirs } = await mine.catch(() => ({ theirs: Promise.resolve() }))
    await theirs
    await expect.poll(async () => (await kv.get(1, 'k', 'd-a'))?.value).toBe('theirs')
  })

  it('does not empty the audit log, whoever asks', async () => {
    await kv.commit({ cache: 1, audit: [auditEntry('a')] })
    await expect(database.sql`TRUNCATE audit`).rejects.toThrow('append-only')
  })
})

async function cutConnections({ sql }: TestDatabase): Promise<void> {
  await sql`SELECT pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE application_name = 'depot' AND datname = current_database()`
}

async function settingsOf(url: string): Promise<Record<string, unknown>> {
  await using pool = openPool({ url, poolMax: 1 })
  const rows = await pool.use(
    (client) => client`SELECT name, current_setting(name) AS value FROM pg_settings
      WHERE name IN ('synchronous_commit', 'statement_timeout', 'default_transaction_isolation')`,
  )
  return Object.fromEntries(rows.map(({ name, value }) => [name as string, value as unknown]))
}

function serverError(code: string): Error {
  return Object.assign(new Error(code), { name: 'PostgresError', code })
}

function failure(error: unknown): unknown {
  return error
}

async function put(kv: KvStore, key: string): Promise<void> {
  await kv.commit({ cache: 1, puts: [{ kind: 'k', key, value: '1' }] })
}
