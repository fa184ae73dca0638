import { DepotError } from '../../../src/errors.ts'
import { demandCurrent, pendingMigrations, readMigrations } from '../migrate.ts'
import type { Client, Transaction } from './connect.ts'

/** Names of the changes that a PostgreSQL database has. */
export async function appliedToPostgres(client: Client): Promise<readonly string[]> {
  const [table] = await client<{ found: string | null }[]>`SELECT to_regclass('migration')::text AS found`
  const rows = table?.found == null ? [] : await client<{ name: string }[]>`SELECT name FROM migration`
  return rows.map(({ name }) => name)
}

/** @throws DepotError `STORAGE_DOWN` when the database is not as this version has it */
export async function demandPostgres(client: Client, migrations = readMigrations('postgres')): Promise<void> {
  demandCurrent(migrations, await appliedToPostgres(client))
}

/** @throws DepotError `STORAGE_DOWN` when a newer version has changed it */
export async function isCurrentPostgres(client: Client, migrations = readMigrations('postgres')): Promise<boolean> {
  return pendingMigrations(migrations, await appliedToPostgres(client)).length === 0
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
