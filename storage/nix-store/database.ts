import { statSync } from 'node:fs'

import Database from 'better-sqlite3'

import { DepotError } from '../../src/errors.ts'
import { LIMITS } from '../../src/limits.ts'
import type { LocalPath } from '../../src/local-store.ts'
import { sqliteError } from '../kv/sqlite-errors.ts'

export interface StoreDatabase extends Disposable {
  find(storeHash: string): LocalPath | undefined
  has(storeHash: string): boolean
}

interface Connection extends StoreDatabase {
  /** Device and inode of the file that is open. */
  readonly identity: string
}

/**
 * Nix's table of valid paths (nix: libstore/schema.sql), which is only read. Each question is one statement, so that its answer is of one
 * moment and no lock outlives it; the connection is made anew when another file lies there.
 */
export function storeDatabase(file: string): StoreDatabase {
  let open: Connection | undefined

  function connection(): Connection {
    const identity = identityOf(file)
    if (open?.identity === identity) return open
    close()
    open = connect(file, identity)
    return open
  }
  function close(): void {
    open?.[Symbol.dispose]()
    open = undefined
  }
  function asked<T>(question: (database: Connection) => T): T {
    try {
      return question(connection())
    } catch (error) {
      // It may lie there otherwise next time: a database that is put in place later, or was half copied.
      close()
      throw unreadable(file, error)
    }
  }
  return {
    find: (storeHash) => asked((database) => database.find(storeHash)),
    has: (storeHash) => asked((database) => database.has(storeHash)),
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

// One statement, references included: between two, garbage collection could take them away, and the rest would be signed without.
const FIND = `SELECT path, hash, narSize, deriver, sigs, ca, (
    SELECT json_group_array(other.path) FROM Refs JOIN ValidPaths AS other ON other.id = Refs.reference
      WHERE Refs.referrer = ValidPaths.id
  ) AS "references" FROM ValidPaths WHERE path >= ? AND path < ? LIMIT 1`
const HAS = 'SELECT 1 FROM ValidPaths WHERE path >= ? AND path < ? LIMIT 1'

function connect(file: string, identity: string): Connection {
  const database = new Database(file, {
    readonly: true,
    fileMustExist: true,
    timeout: LIMITS.localStoreBusyTimeoutMs,
  })
  try {
    const find = database.prepare<[from: string, to: string], Row>(FIND)
    const has = database.prepare<[from: string, to: string]>(HAS)
    return {
      identity,
      find(storeHash) {
        const row = find.get(...range(storeHash))
        return row && { ...row, references: JSON.parse(row.references) as string[] }
      },
      has: (storeHash) => has.get(...range(storeHash)) !== undefined,
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

function unreadable(file: string, error: unknown): unknown {
  if (error instanceof DepotError) return error
  const translated = sqliteError(error)
  const code = error instanceof Error && 'code' in error ? String(error.code) : undefined
  if (!(translated instanceof DepotError) && code !== 'SQLITE_ERROR') return error
  const hint =
    code === 'SQLITE_CANTOPEN' || code === 'SQLITE_READONLY_CANTINIT'
      ? ': while no Nix has it open, SQLite must be able to make an index beside it, which takes the right to write in its folder'
      : ''
  return new DepotError('STORAGE_DOWN', `the database of the Nix store, ${file}, cannot be read (${code})${hint}`, {
    cause: error,
  })
}
