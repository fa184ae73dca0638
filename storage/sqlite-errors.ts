import { DepotError } from '../src/errors.ts'

/** Primary result codes that speak of the disk or of the lock, and not of a mistake in a statement. */
const DOWN = [
  'BUSY',
  'LOCKED',
  'IOERR',
  'CANTOPEN',
  'CORRUPT',
  'NOTADB',
  'READONLY',
  'PROTOCOL',
  'NOMEM',
  'PERM',
  'NOLFS',
]

/** What SQLite says when the index of its log cannot grow: a full disk is told so only of the other files. */
const CANNOT_GROW = ['SQLITE_IOERR_SHMSIZE']

/** The one place where SQLite's result codes become DepotErrors; anything that is not about its state is a bug and stays. */
export function sqliteError(error: unknown): unknown {
  const code = error instanceof Error && 'code' in error ? error.code : undefined
  if (typeof code !== 'string') return error
  const primary = /^SQLITE_([A-Z]+)/.exec(code)?.[1] ?? ''
  if (primary === 'FULL' || CANNOT_GROW.includes(code)) {
    return new DepotError('STORAGE_FULL', 'the disk of the database is full: free some space and try again', {
      cause: error,
    })
  }
  if (!DOWN.includes(primary)) return error
  return new DepotError('STORAGE_DOWN', `the database cannot be used (${code}): try again later`, { cause: error })
}

/** Run a database call with its errors translated. */
export function translatedSqlite<T>(call: () => T): T {
  try {
    return call()
  } catch (error) {
    throw sqliteError(error)
  }
}
