import { readdirSync, readFileSync } from 'node:fs'

import type { Database } from 'better-sqlite3'

import { DepotError } from '../../src/errors.ts'
import type { Client, Transaction } from './postgres/connect.ts'

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

/** How a database stands to this version. */
export interface MigrationState {
  /** What is left to apply. */
  readonly pending: readonly Migration[]
  /** Names of changes that this version does not know: a newer one made them. */
  readonly unknown: readonly string[]
}

export function migrationState(known: readonly Migration[], applied: readonly string[]): MigrationState {
  return {
    pending: known.filter(({ name }) => !applied.includes(name)),
    unknown: applied.filter((name) => !known.some((migration) => migration.name === name)),
  }
}

/**
 * What is left to apply.
 *
 * @throws DepotError `STORAGE_DOWN` when the database has changes that this version does not know.
 */
export function pendingMigrations(known: readonly Migration[], applied: readonly string[]): readonly Migration[] {
  const state = migrationState(known, applied)
  refuseNewer(state)
  return state.pending
}

/** @throws DepotError `STORAGE_DOWN` when the database has changes that this version does not know */
export function refuseNewer({ unknown: [name] }: Pick<MigrationState, 'unknown'>): void {
  if (name === undefined) return
  const message = `the database was changed by a newer depot (${name}): run that version, or restore a backup`
  throw new DepotError('STORAGE_DOWN', message)
}

/**
 * What becomes of a database of an older depot when it is opened: it is brought up to date, or it is refused, because somebody else decides
 * when that is done.
 */
export type SchemaRule = 'migrate' | 'demand'

/**
 * For those who change nothing.
 *
 * @throws DepotError `STORAGE_DOWN` when the database has other changes than this version
 */
function demandCurrent(known: readonly Migration[], applied: readonly string[]): void {
  const [missing] = pendingMigrations(known, applied)
  if (missing === undefined) return
  const state = applied.length === 0 ? 'has no tables of a depot' : `is of an older depot (${missing.name} is missing)`
  const message = `the database ${state}: bring it up to date with depot serve --mode db-migrations`
  throw new DepotError('STORAGE_DOWN', message)
}

/** Names of the changes that a SQLite database has. */
export function appliedToSqlite(database: Database): readonly string[] {
  const table = database.prepare("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'migration'").get()
  return table === undefined ? [] : database.prepare<[], string>('SELECT name FROM migration').pluck().all()
}

/** Names of the changes that a PostgreSQL database has. */
export async function appliedToPostgres(client: Client): Promise<readonly string[]> {
  const [table] = await client<{ found: string | null }[]>`SELECT to_regclass('migration')::text AS found`
  const rows = table?.found == null ? [] : await client<{ name: string }[]>`SELECT name FROM migration`
  return rows.map(({ name }) => name)
}

/** @throws DepotError `STORAGE_DOWN` when the database is not as this version has it */
export function demandSqlite(database: Database, migrations = readMigrations('sqlite')): void {
  demandCurrent(migrations, appliedToSqlite(database))
}

/** @throws DepotError `STORAGE_DOWN` when the database is not as this version has it */
export async function demandPostgres(client: Client, migrations = readMigrations('postgres')): Promise<void> {
  demandCurrent(migrations, await appliedToPostgres(client))
}

/** @throws DepotError `STORAGE_DOWN` when a newer version has changed it */
export async function isCurrentPostgres(client: Client, migrations = readMigrations('postgres')): Promise<boolean> {
  return pendingMigrations(migrations, await appliedToPostgres(client)).length === 0
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

/**
 * Bring a PostgreSQL database up to date; look and change in one transaction that holds an advisory lock. One that is up to date is only
 * looked at: whoever uses it need not be allowed to change it.
 */
export async function migratePostgres(client: Client, migrations = readMigrations('postgres')): Promise<void> {
  if (await isCurrentPostgres(client, migrations)) return
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
