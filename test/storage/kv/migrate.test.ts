import { spawn } from 'node:child_process'
import { once } from 'node:events'
import process from 'node:process'

import Database from 'better-sqlite3'
import type * as PgCore from 'drizzle-orm/pg-core'
import type * as SqliteCore from 'drizzle-orm/sqlite-core'
import { describe, expect, it } from 'vitest'

import { verifyChain } from '../../../src/audit-chain.ts'
import type { KvStore } from '../../../src/kv-store.ts'
import { loadDrizzle } from '../../../storage/kv/drizzle.ts'
import { pendingMigrations, readMigrations } from '../../../storage/kv/migrate.ts'
import { openPool } from '../../../storage/kv/postgres/pool.ts'
import { migratePostgres } from '../../../storage/kv/postgres/migrate.ts'
import { migrateSqlite } from '../../../storage/kv/sqlite/migrate.ts'
import { openPostgresKv } from '../../../storage/kv/postgres/store.ts'
import * as postgresSchema from '../../../storage/kv/postgres/schema.ts'
import * as sqliteSchema from '../../../storage/kv/sqlite/schema.ts'
import { openSqliteKv } from '../../../storage/kv/sqlite/store.ts'
import { openStorage } from '../../../storage/open.ts'
import { auditEntry, auditLog } from '../../conformance/kv-samples.ts'
import { describeWith } from '../../helpers/have.ts'
import { createDatabase } from '../../helpers/postgres-database.ts'
import { tempDir } from '../../helpers/temp-dir.ts'

const PROCESSES = 4

describe('pending migrations', () => {
  const known = ['0001-init', '0002-more'].map((name) => ({ name, sql: '' }))

  it('are those that were not applied, in order', () => {
    expect(pendingMigrations(known, [])).toEqual(known)
    expect(pendingMigrations(known, ['0001-init'])).toEqual(known.slice(1))
    expect(pendingMigrations(known, ['0002-more', '0001-init'])).toEqual([])
  })

  it('cannot be told when a newer version was here', () => {
    expect(() => pendingMigrations(known, ['0003-later'])).toThrow('newer depot (0003-later)')
  })

  it('have the same names for both databases', () => {
    const names = readMigrations('sqlite').map(({ name }) => name)
    expect(names).toContain('0001-init')
    expect(readMigrations('postgres').map(({ name }) => name)).toEqual(names)
  })
})

describe('migrating SQLite', () => {
  it('changes nothing the second time', () => {
    using database = memoryDatabase()
    migrateSqlite(database.connection)
    migrateSqlite(database.connection)
    expect(database.connection.prepare('SELECT name FROM cache ORDER BY id').pluck().all()).toEqual(['-', 'main'])
  })

  it('leaves nothing behind of a migration that fails', () => {
    using database = memoryDatabase()
    const broken = { name: '0002-broken', sql: 'CREATE TABLE half (a); CREATE TABLE half (a);' }
    expect(() => migrateSqlite(database.connection, [...readMigrations('sqlite'), broken])).toThrow('half')
    expect(tablesOf(database.connection)).toEqual([])
    migrateSqlite(database.connection)
    expect(tablesOf(database.connection)).toContain('record')
  })

  it('gives every column that reads name', () => {
    using database = memoryDatabase()
    migrateSqlite(database.connection)
    const { getTableConfig } = loadDrizzle('drizzle-orm/sqlite-core') as typeof SqliteCore
    const missing = Object.values(sqliteSchema).flatMap((table) => {
      const { name, columns } = getTableConfig(table)
      const there = database.connection
        .prepare<[string], string>('SELECT name FROM pragma_table_info(?)')
        .pluck()
        .all(name)
      return columns.map((column) => column.name).filter((column) => !there.includes(column))
    })
    expect(missing).toEqual([])
  })

  it('keeps the audit lines from before there was a chain, which begins behind them', async () => {
    await using dir = await tempDir('migrate')
    const old = new Database(dir.join('depot.db'))
    migrateSqlite(old, readMigrations('sqlite').slice(0, 1))
    old.exec(OLD_LINES)
    old.close()
    await expectChainBehindOldLines(await openSqliteKv({ file: dir.join('depot.db') }))
  })

  it('lets several processes open a new database at once', async () => {
    await using dir = await tempDir('migrate')
    const url = `sqlite://${dir.join('new', 'depot.db')}`
    expect(await openAtOnce(dir.path, url)).toEqual(PROCESSES)
  })
})

describeWith('postgres', 'migrating PostgreSQL', () => {
  it('changes nothing the second time, and leaves nothing behind of a migration that fails', async () => {
    await using database = await createDatabase()
    await using pool = openPool({ url: database.url, poolMax: 1 })
    const broken = { name: '0002-broken', sql: 'CREATE TABLE half (a int); CREATE TABLE half (a int);' }
    const migrate = (migrations = readMigrations('postgres')) =>
      pool.use((client) => migratePostgres(client, migrations))
    await expect(migrate([...readMigrations('postgres'), broken])).rejects.toThrow('half')
    expect(await database.sql`SELECT 1 FROM information_schema.tables WHERE table_schema = 'public'`).toHaveLength(0)
    await migrate()
    await migrate()
    expect(await database.sql`SELECT name FROM cache ORDER BY id`).toEqual([{ name: '-' }, { name: 'main' }])
  })

  it('gives every column that reads name', async () => {
    await using database = await createDatabase()
    await using pool = openPool({ url: database.url, poolMax: 1 })
    await pool.use((client) => migratePostgres(client))
    const { getTableConfig } = loadDrizzle('drizzle-orm/pg-core') as typeof PgCore
    for (const table of Object.values(postgresSchema)) {
      const { name, columns } = getTableConfig(table)
      const there = await database.sql`SELECT column_name FROM information_schema.columns WHERE table_name = ${name}`
      const names = there.map((row) => String(row['column_name']))
      expect(names).toEqual(expect.arrayContaining(columns.map((column) => column.name)))
    }
  })

  it('keeps the audit lines from before there was a chain, which begins behind them', async () => {
    await using database = await createDatabase()
    await using pool = openPool({ url: database.url, poolMax: 1 })
    await pool.use((client) => migratePostgres(client, readMigrations('postgres').slice(0, 1)))
    // An identity column counts what was rolled back.
    await database.sql`ALTER TABLE audit ALTER COLUMN seq RESTART WITH 5`
    await database.sql.unsafe(OLD_LINES)
    await expectChainBehindOldLines(await openPostgresKv({ url: database.url }))
  })

  it('lets several processes open a new database at once', async () => {
    await using dir = await tempDir('migrate')
    await using database = await createDatabase()
    expect(await openAtOnce(dir.path, database.url)).toEqual(PROCESSES)
  })

  it('refuses a database that does not hold UTF-8', async () => {
    await using database = await createDatabase("ENCODING 'SQL_ASCII' LOCALE 'C'")
    const opening = openStorage({ storePath: '/nowhere', databaseUrl: database.url, storageType: 'memory' })
    await expect(opening).rejects.toThrow('does not hold UTF-8')
  })
})

const OLD_LINES = `
  INSERT INTO audit (cache, principal, action, resource, digest, address)
  VALUES (1, 'p', 'npm:write', 'a', '', '::1'), (1, 'p', 'npm:write', 'b', '', '::1')`

async function expectChainBehindOldLines(opened: KvStore): Promise<void> {
  await using kv = opened
  await kv.commit({ cache: 1, audit: [auditEntry('c'), auditEntry('d')] })
  const log = await auditLog(kv)
  expect(log.map(({ resource }) => resource)).toEqual(['a', 'b', 'c', 'd'])
  for (const { at } of log) expect(Math.abs(at - Date.now())).toBeLessThan(60_000)
  expect(log[0]).toMatchObject({ principal: 'p', userAgent: '', credential: '', result: 'done', hash: '' })
  expect(await verifyChain(log)).toMatchObject({ before: 2, verified: 2, head: { hash: log[3]?.hash } })
}

/** Starts processes that wait for the word, gives it, and returns how many records they left. */
async function openAtOnce(folder: string, url: string): Promise<number> {
  const script = new URL('../../fixtures/open-and-commit.ts', import.meta.url).pathname
  const children = Array.from({ length: PROCESSES }, (_, index) =>
    spawn(process.execPath, [script, folder, url, `key-${index}`], { stdio: ['pipe', 'pipe', 'inherit'] }),
  )
  const exits = children.map((child) => once(child, 'exit'))
  await Promise.all(children.map((child) => once(child.stdout, 'data')))
  for (const child of children) child.stdin.write('go\n')
  expect((await Promise.all(exits)).map(([code]) => code as unknown)).toEqual(children.map(() => 0))
  const { kv, blobs } = await openStorage({ storePath: folder, databaseUrl: url, storageType: 'fs' })
  const records = await kv.list(1, 'k', { from: '', limit: 100 })
  await kv[Symbol.asyncDispose]()
  await blobs[Symbol.asyncDispose]()
  return records.length
}

function memoryDatabase() {
  const connection = new Database(':memory:')
  return { connection, [Symbol.dispose]: () => connection.close() }
}

function tablesOf(connection: Database.Database): string[] {
  return connection.prepare<[], string>("SELECT name FROM sqlite_master WHERE type = 'table'").pluck().all()
}
