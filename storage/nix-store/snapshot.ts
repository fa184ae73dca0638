import { readFileSync, statSync } from 'node:fs'

import Database from 'better-sqlite3'

import { LIMITS } from '../../src/limits.ts'

/** A copy of a database in memory, as it was at one moment. */
export interface Snapshot {
  readonly database: Database.Database
  /** Whether the file is still what was copied. */
  isCurrent(): boolean
}

/**
 * Copy a database that nobody has open, or undefined when somebody has, or it is too large. SQLite itself does not read a WAL database in a
 * folder where it may not write (https://sqlite.org/wal.html#readonly) until another process, who may, has it open.
 *
 * @throws Error of the system when the file cannot be read
 */
export function snapshotOf(file: string): Snapshot | undefined {
  const before = stateOf(file)
  if (before === undefined || before.sizeBytes > LIMITS.localStoreSnapshotBytesMax) return undefined
  const bytes = readFileSync(file)
  if (stateOf(file)?.text !== before.text) return undefined
  // From WAL to the older format, which is the same when no log lies beside it: memory has no place for one.
  bytes.fill(1, FORMAT_VERSIONS, FORMAT_VERSIONS + 2)
  return {
    database: new Database(bytes, { readonly: true }),
    isCurrent: () => stateOf(file)?.text === before.text,
  }
}

/** Where a database says who may write and who may read it (https://sqlite.org/fileformat2.html#file_format_version_numbers). */
const FORMAT_VERSIONS = 18

/** Whatever differs when anything was written; undefined while there is a log with pages that the file lacks. */
function stateOf(file: string): { readonly text: string; readonly sizeBytes: number } | undefined {
  const log = statSync(`${file}-wal`, { throwIfNoEntry: false })
  const found = statSync(file, { throwIfNoEntry: false, bigint: true })
  if (found === undefined || (log?.size ?? 0) > 0) return undefined
  const { dev, ino, size, mtimeNs } = found
  return { text: [dev, ino, size, mtimeNs, log === undefined].join(), sizeBytes: Number(size) }
}
