import { readdirSync, readFileSync } from 'node:fs'

import { DepotError } from '../../src/errors.ts'

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
export function demandCurrent(known: readonly Migration[], applied: readonly string[]): void {
  const [missing] = pendingMigrations(known, applied)
  if (missing === undefined) return
  const state = applied.length === 0 ? 'has no tables of a depot' : `is of an older depot (${missing.name} is missing)`
  const message = `the database ${state}: bring it up to date with depot serve --mode db-migrations`
  throw new DepotError('STORAGE_DOWN', message)
}
