import { statSync } from 'node:fs'

import Database from 'better-sqlite3'

import { translatedSqlite } from '../../sqlite-errors.ts'
import { migrationState, readMigrations, type MigrationState } from '../migrate.ts'
import { appliedToSqlite } from './migrate.ts'

/** What somebody who only looks sees of a database file. */
export interface SqliteState extends MigrationState {
  /** `wal`, but on a network file system, where it is `delete`. */
  readonly journal: string
  readonly sizeBytes: number
  /** The first faults that SQLite finds in its pages; undefined when the file is larger than was asked for. */
  readonly faults: readonly string[] | undefined
}

export interface InspectOptions {
  readonly file: string
  /** A larger file is not read through. */
  readonly readBytesMax: number
  /** How long to wait for a lock, in milliseconds. */
  readonly waitMs: number
}

/** Look at a database without changing it. @throws DepotError `STORAGE_DOWN` when it cannot be read */
export function inspectSqlite({ file, readBytesMax, waitMs }: InspectOptions): SqliteState {
  return translatedSqlite(() => {
    const sizeBytes = statSync(file).size
    const database = new Database(file, { readonly: true, timeout: waitMs })
    try {
      const applied = appliedToSqlite(database)
      return {
        journal: String(database.pragma('journal_mode', { simple: true })),
        sizeBytes,
        ...migrationState(readMigrations('sqlite'), applied),
        faults: sizeBytes > readBytesMax ? undefined : faultsIn(database),
      }
    } finally {
      database.close()
    }
  })
}

/** Whether a writer gets its turn within a time. Writes nothing. @throws DepotError `STORAGE_DOWN` when it cannot be opened */
export function canWriteSqlite(file: string, waitMs: number): boolean {
  return translatedSqlite(() => {
    const database = new Database(file, { fileMustExist: true, timeout: waitMs })
    try {
      database.exec('BEGIN IMMEDIATE')
      database.exec('ROLLBACK')
      return true
    } catch (error) {
      if (error instanceof Database.SqliteError && error.code.startsWith('SQLITE_BUSY')) return false
      throw error
    } finally {
      database.close()
    }
  })
}

const FAULTS_MAX = 3

function faultsIn(database: Database.Database): readonly string[] {
  const rows = database.prepare<[], string>(`PRAGMA quick_check(${FAULTS_MAX})`).pluck().all()
  return rows.filter((row) => row !== 'ok')
}
