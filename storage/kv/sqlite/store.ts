import { closeSync, existsSync, mkdirSync, openSync } from 'node:fs'
import { dirname, resolve } from 'node:path'

import { DepotError } from '../../../src/errors.ts'
import type { KvStore } from '../../../src/kv-store.ts'
import { storageError } from '../../fs-errors.ts'
import type { BatchWriter } from './batch-writer.ts'
import { checkCommit } from '../checks.ts'
import { createLine } from '../line.ts'
import type { SchemaRule } from '../migrate.ts'
import { journalModeFor, openConnection, type ConnectionOptions } from './connection.ts'
import { translatedSqlite } from '../../sqlite-errors.ts'
import type { Write } from './commit.ts'
import { demandSqlite, migrateSqlite } from './migrate.ts'
import { openWriteQueue, type WriteQueue } from './queue.ts'
import { sqliteReader } from './reader.ts'
import { sharedTurn } from './turn.ts'
import { writerThread } from './thread.ts'

export interface SqliteKvOptions {
  /** Database file, made with its directory when it is not there. */
  readonly file: string
  /** The file must be there already. */
  readonly existing?: boolean
  /** Told when the file lies where SQLite must not use its write-ahead log. */
  readonly warn?: (message: string) => void
  /** What becomes of an older database; `migrate` when absent. */
  readonly schema?: SchemaRule
  /** Who commits, in place of a thread of this process: it has brought the file up to date already. */
  readonly writer?: BatchWriter
}

/**
 * Names in one SQLite file: reads are answered at once on this thread, commits go to a thread of their own. One process a file
 * commits well; several starve each other, and so have one writer in common.
 *
 * @throws DepotError `NOT_FOUND` when the file must be there and is not, `STORAGE_DOWN` or `STORAGE_FULL` when it cannot be opened or
 * brought up to date.
 */
export async function openSqliteKv(given: SqliteKvOptions): Promise<KvStore> {
  const { file, existing = false, warn = () => {}, schema = 'migrate', writer } = given
  if (existing) demandFile(file)
  const options =
    writer === undefined
      ? prepareFile(resolve(file), warn, schema)
      : { file: resolve(file), journal: journalModeFor(resolve(file), () => {}) }
  const connection = translatedSqlite(() => openConnection({ ...options, readonly: true }))
  const turn = sharedTurn(connection)
  const reader = sqliteReader(connection, turn)
  const queue = openWriteQueue(writer ?? writerThread(options))
  const line = createLine()

  async function write(change: Write): Promise<void> {
    try {
      await queue.write(change)
    } finally {
      turn.refresh()
    }
  }

  return {
    ...reader,
    // Without a write-ahead log a reader keeps writers out, so it had better be done soon.
    ...(options.journal === 'wal' ? { readTogether: turn.open, readAnew: turn.refresh } : {}),
    async commit(commit) {
      checkCommit(commit)
      await write({ commit })
    },
    setBlobState: (domain, digest, state) => write({ blobState: { domain, digest, state } }),
    moveBlob: ({ domain, digest, store, storedSha256 }, to) =>
      write({ blobMove: { domain, digest, store, storedSha256, to } }),
    async hold(name, signal) {
      const leave = await line.enter(name, signal)
      return { lost: new AbortController().signal, [Symbol.asyncDispose]: async () => leave() }
    },
    async ping() {
      reader.cache('main')
    },
    async [Symbol.asyncDispose]() {
      await queue.drain()
      turn.close()
      // The last connection to close folds the log into the file, which a read-only one cannot.
      connection.close()
      await queue[Symbol.asyncDispose]()
    },
  }
}

/**
 * The one who commits for several processes that read the file: what they send shares transactions.
 *
 * @throws DepotError as `openSqliteKv`
 */
export async function openSqliteWriter({
  file,
  warn = () => {},
  schema = 'migrate',
}: Pick<SqliteKvOptions, 'file' | 'warn' | 'schema'>): Promise<WriteQueue> {
  return openWriteQueue(writerThread(prepareFile(resolve(file), warn, schema)))
}

function demandFile(file: string): void {
  if (existsSync(file)) return
  throw new DepotError('NOT_FOUND', `there is no database ${file}: say where it is with --store-path or --database-url`)
}

function prepareFile(
  file: string,
  warn: (message: string) => void,
  schema: SchemaRule,
): Omit<ConnectionOptions, 'readonly'> {
  if (schema === 'demand') return demandPrepared(file, warn)
  try {
    mkdirSync(dirname(file), { recursive: true })
    // Ours alone; SQLite gives its log the same mode.
    closeSync(openSync(file, 'a', 0o600))
  } catch (error) {
    throw storageError(error, 'database')
  }
  const options = { file, journal: journalModeFor(file, warn) }
  translatedSqlite(() => {
    const connection = openConnection({ ...options, readonly: false })
    try {
      migrateSqlite(connection)
    } finally {
      connection.close()
    }
  })
  return options
}

/** A file that somebody else prepared. */
function demandPrepared(file: string, warn: (message: string) => void): Omit<ConnectionOptions, 'readonly'> {
  if (!existsSync(file))
    throw new DepotError('NOT_FOUND', `there is no database ${file}: make it with depot serve --mode db-migrations`)
  const options = { file, journal: journalModeFor(file, warn) }
  translatedSqlite(() => {
    const connection = openConnection({ ...options, readonly: true })
    try {
      demandSqlite(connection)
    } finally {
      connection.close()
    }
  })
  return options
}
