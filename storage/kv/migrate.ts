import { readdirSync, readFileSync } from 'node:fs'

import type { Database } from 'better-sqlite3'

import { DepotError } from '../../src/errors.ts'
import type { Client, Transaction } from './postgres-client.ts'

export interface Migration {
  /** File name without its ending; they are applied in the order of their names. */
  readonly name: string
  readonly sql: string
}

/** The SQL files of one database, in order. They lie beside this file, in the sources and in the build. */
export function readMigrations(dialect: 'sqlite' | 'postgres'): readonly Migration[] {
  const folder = new URL(`./migrations/${dialect}/`, import.meta.url)
  return readdirSync(folder)
    .filter((file) => file.endsWith('.sql'))
    .sort()
    .map((file) => ({ name: file.slice(0, -'.sql'.length), sql: readFileSync(new URL(file, folder), 'utf8') }))
}

/**
 * What is left to apply.
 *
 * @throws DepotError `STORAGE_DOWN` when the database has changes that this version does not know.
 */
export function pendingMigrations(known: readonly Migration[], applied: readonly string[]): readonly Migration[] {
  const unknown = applied.find((name) => !known.some((migration) => migration.name === name))
  if (unknown !== undefined) {
    const message = `the database was changed by a newer depot (${unknown}): run that version, or restore a backup`
    throw new DepotError('STORAGE_DOWN', message)
  }
  return known.filter(({ name }) => !applied.includes(name))
}

/** Bring a SQLite database up to date; look and change under one write lock, so that two processes may start at once. */
export function migrateSqlite(database: Database, migrations = readMigrations('sqlite')): void {
  database
    .transaction(() => {
      database.exec('CREATE TABLE IF NOT EXISTS migration (name TEXT PRIMARY KEY, applied_at INTEGER NOT NULL) STRICT')
      const applied = database.prepare<[], string>('SELECT name FROM migration').pluck().all()
      const note = database.prepare<[string]>('INSERT INTO migration VALUES (?, unixepoch())')
      for (const { name, sql } of pendingMigrations(migrations, applied)) {
        database.exec(sql)
        note.run(name)
      }
    })
    .immediate()
}

/** Any constant will do, as long as no other program on this database takes it. */
const MIGRATION_LOCK = 0x6465706f

/** Bring a PostgreSQL database up to date; look and change in one transaction that holds an advisory lock. */
export async function migratePostgres(client: Client, migrations = readMigrations('postgres')): Promise<void> {
  await client.begin(async (transaction) => {
    // A migration may take long, and so may waiting for another process that runs one.
    await transaction`SET LOCAL statement_timeout = 0`
    await transaction`SELECT pg_advisory_xact_lock(${MIGRATION_LOCK})`
    await demandUtf8(transaction)
    await transaction`CREATE TABLE IF NOT EXISTS migration (name text PRIMARY KEY, applied_at timestamptz NOT NULL DEFAULT now())`
    const applied = await transaction<{ name: string }[]>`SELECT name FROM migration`
    for (const { name, sql } of pendingMigrations(
      migrations,
      applied.map((row) => row.name),
    )) {
      await transaction.unsafe(sql)
      await transaction`INSERT INTO migration (name) VALUES (${name})`
    }
  })
}

async function demandUtf8(transaction: Transaction): Promise<void> {
  const [row] = await transaction<{ server_encoding: string }[]>`SHOW server_encoding`
  if (row?.server_encoding === 'UTF8') return
  throw new DepotError('STORAGE_DOWN', "the PostgreSQL database does not hold UTF-8: create one with ENCODING 'UTF8'")
}
