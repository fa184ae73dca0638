import { statfsSync } from 'node:fs'
import { dirname } from 'node:path'

import Database from 'better-sqlite3'

import { LIMITS } from '../../../src/limits.ts'
import { shareOf } from '../../../src/worker-share.ts'

export type JournalMode = 'wal' | 'delete'

export interface ConnectionOptions {
  readonly file: string
  readonly journal: JournalMode
  readonly readonly: boolean
}

/**
 * Open a connection with every pragma set and read back: SQLite forgets most of them with the connection, and falls back in
 * silence where it cannot do as told.
 */
export function openConnection({ file, journal, readonly }: ConnectionOptions): Database.Database {
  const database = new Database(file, { readonly, timeout: LIMITS.databaseBusyTimeoutMs })
  try {
    demand(database, 'busy_timeout', LIMITS.databaseBusyTimeoutMs)
    setJournalMode(database, journal)
    // NORMAL is what a connection to a WAL file starts with: it forgets commits in a power cut. FULL is 2.
    demand(database, 'synchronous', 2)
    demand(database, 'foreign_keys', 1)
    // Negative: KiB instead of pages.
    demand(
      database,
      'cache_size',
      -Math.ceil((readonly ? shareOf(LIMITS.databaseReadCacheBytes) : LIMITS.databaseWriteCacheBytes) / 1024),
    )
    return database
  } catch (error) {
    database.close()
    throw error
  }
}

function demand(database: Database.Database, pragma: string, value: string | number): void {
  database.pragma(`${pragma} = ${value}`)
  const actual: unknown = database.pragma(pragma, { simple: true })
  if (actual !== value) throw new Error(`SQLite has ${pragma} = ${String(actual)} where ${value} was demanded`)
}

const PAUSE_MS = 20

/** Another process that is switching at the same time makes SQLite say BUSY at once, without waiting its timeout. */
function setJournalMode(database: Database.Database, journal: JournalMode): void {
  for (let left = Math.ceil(LIMITS.databaseBusyTimeoutMs / PAUSE_MS); ; left--) {
    try {
      if (database.readonly && mayRead(database, journal)) return
      demand(database, 'journal_mode', journal)
      return
    } catch (error) {
      const busy = error instanceof Database.SqliteError && error.code.startsWith('SQLITE_BUSY')
      if (!busy || left <= 0) throw error
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, PAUSE_MS)
    }
  }
}

/** Whoever only reads need not change the file: without a log it is read as well, and only that is wrong where there must be none. */
function mayRead(database: Database.Database, journal: JournalMode): boolean {
  return journal === 'wal' || database.pragma('journal_mode', { simple: true }) === journal
}

/** File systems of other machines, by the magic number of statfs(2): their locks and shared memory do not carry WAL. */
const NETWORK_FILE_SYSTEMS: ReadonlyMap<number, string> = new Map([
  [0x6969, 'nfs'],
  [0x517b, 'smb'],
  [0xff534d42, 'cifs'],
  [0xfe534d42, 'smb2'],
  [0x65735546, 'fuse'],
  [0x01021997, '9p'],
])

/** The name of the network file system that `type` (of statfs) stands for, or undefined for a local one. */
export function networkFileSystem(type: number): string | undefined {
  return NETWORK_FILE_SYSTEMS.get(type >>> 0)
}

/** WAL, unless the file lies on a network file system, where WAL corrupts. */
export function journalModeFor(file: string, warn: (message: string) => void): JournalMode {
  const network = networkFileSystem(statfsSync(dirname(file)).type)
  if (network === undefined) return 'wal'
  warn(`${file} lies on a network file system (${network}): writes are slow and hold up reads; PostgreSQL suits better`)
  return 'delete'
}
