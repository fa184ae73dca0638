import { statSync } from 'node:fs'

import Database from 'better-sqlite3'

import { DepotError } from '../../src/errors.ts'
import { LIMITS } from '../../src/limits.ts'
import type { LocalPath, LocalStore } from '../../src/local-store.ts'
import { sqliteError } from '../sqlite-errors.ts'
import { systemCode } from '../fs-errors.ts'
import { realisations } from './realisations.ts'
import { snapshotOf } from './snapshot.ts'

export type StoreDatabase = Disposable & Pick<LocalStore, 'find' | 'realisation' | 'realisationsOf'>

type Connection = StoreDatabase & {
  /** Whether it still speaks of the file that lies there. */
  isCurrent(): boolean
}

/**
 * Nix's table of valid paths (nix: libstore/schema.sql), which is only read. Each question is one statement, so that its answer is of one
 * moment and no lock outlives it; the connection is made anew when another file lies there.
 */
export function storeDatabase(file: string): StoreDatabase {
  let open: Connection | undefined
  let lockedUntil = 0

  function connection(): Connection {
    if (open?.isCurrent() === true) return open
    close()
    open = connect(file)
    return open
  }
  function close(): void {
    open?.[Symbol.dispose]()
    open = undefined
  }
  function asked<T>(question: (database: Connection) => T): T {
    // Each question waits for the lock, and everybody else with it.
    if (performance.now() < lockedUntil) throw locked(file)
    try {
      return question(connection())
    } catch (error) {
      if (codeOf(error).startsWith('SQLITE_BUSY')) lockedUntil = performance.now() + LIMITS.localStoreLockedMs
      // It may lie there otherwise next time: a database that is put in place later, or was half copied.
      close()
      throw unreadable(file, error)
    }
  }
  return {
    find: (storeHash) => asked((database) => database.find(storeHash)),
    realisation: (derivation, output) => asked((database) => database.realisation(derivation, output)),
    realisationsOf: (path) => asked((database) => database.realisationsOf(path)),
    [Symbol.dispose]: close,
  }
}

function identityOf(file: string): string {
  const found = statSync(file, { throwIfNoEntry: false })
  if (found === undefined) throw new DepotError('STORAGE_DOWN', `no Nix store: ${file} is not there`)
  return `${found.dev}:${found.ino}`
}

interface Row extends Omit<LocalPath, 'references'> {
  /** JSON. */
  readonly references: string
}

/**
 * The valid path between two texts. One statement, references included: between two, garbage collection could take them away, and the
 * rest would be signed without.
 */
export const FIND = `SELECT path, hash, narSize, deriver, sigs, ca, (
    SELECT json_group_array(other.path) FROM Refs JOIN ValidPaths AS other ON other.id = Refs.reference
      WHERE Refs.referrer = ValidPaths.id
  ) AS "references" FROM ValidPaths WHERE path >= ? AND path < ? LIMIT 1`

function connect(file: string): Connection {
  const identity = identityOf(file)
  try {
    const database = new Database(file, {
      readonly: true,
      fileMustExist: true,
      timeout: LIMITS.localStoreBusyTimeoutMs,
    })
    return prepared(database, () => identityOf(file) === identity)
  } catch (error) {
    const snapshot = mayNotWrite(error) ? snapshotOf(file) : undefined
    if (snapshot === undefined) throw error
    return prepared(snapshot.database, snapshot.isCurrent)
  }
}

function prepared(database: Database.Database, isCurrent: () => boolean): Connection {
  try {
    const find = database.prepare<[from: string, to: string], Row>(FIND)
    return {
      isCurrent,
      find(storeHash) {
        const row = find.get(...range(storeHash))
        return row && { ...row, references: JSON.parse(row.references) as string[] }
      },
      ...realisations(database),
      [Symbol.dispose]: () => void database.close(),
    }
  } catch (error) {
    database.close()
    throw error
  }
}

/** All that begins with the hash part and a dash; `.` is the character behind the dash. */
function range(storeHash: string): [from: string, to: string] {
  return [`/nix/store/${storeHash}-`, `/nix/store/${storeHash}.`]
}

/** SQLite could not make the index of the log, which a reader of a WAL database needs. */
function mayNotWrite(error: unknown): boolean {
  const code = codeOf(error)
  return code.startsWith('SQLITE_READONLY') || code.startsWith('SQLITE_CANTOPEN')
}

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : ''
}

function locked(file: string): DepotError {
  return new DepotError(
    'STORAGE_DOWN',
    `the database of the Nix store, ${file}, is locked by another program: try again`,
  )
}

function unreadable(file: string, error: unknown): unknown {
  if (error instanceof DepotError) return error
  const translated = sqliteError(error)
  const code = error instanceof Error && 'code' in error ? String(error.code) : undefined
  // A table that is not there makes a plain SQLITE_ERROR.
  const known = translated instanceof DepotError || code === 'SQLITE_ERROR' || systemCode(error) !== undefined
  if (!known) return error
  const hint = mayNotWrite(error) ? ': as long as no Nix has it open, that takes the right to write in its folder' : ''
  return new DepotError('STORAGE_DOWN', `the database of the Nix store, ${file}, cannot be read (${code})${hint}`, {
    cause: error,
  })
}
