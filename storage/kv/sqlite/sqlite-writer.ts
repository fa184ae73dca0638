import { parentPort, workerData } from 'node:worker_threads'

import type { Database } from 'better-sqlite3'

import { outcomeOf, type Outcome } from './batch-writer.ts'
import { writeApplier, type Write } from './commit.ts'
import { openConnection, type ConnectionOptions } from './connection.ts'
import { sqliteError } from '../../sqlite-errors.ts'

/** What the main thread sends: changes that waited, or the wish to end. */
export type WriterRequest = { readonly writes: readonly Write[] } | 'close'

// A synchronous call that waits for another process's lock stops its whole thread: this one, and not the one that serves.
if (parentPort !== null) serve(parentPort, workerData as Omit<ConnectionOptions, 'readonly'>)

function serve(port: NonNullable<typeof parentPort>, options: Omit<ConnectionOptions, 'readonly'>): void {
  const database = openConnection({ ...options, readonly: false })
  const apply = writeApplier(database)
  port.on('message', (request: WriterRequest) => {
    if (request === 'close') {
      database.close()
      port.close()
      return
    }
    port.postMessage(applyBatch(database, apply, request.writes))
  })
}

/** One transaction, and so one fsync, for all; each write fails alone, unless the transaction does. */
function applyBatch(database: Database, apply: (write: Write) => void, writes: readonly Write[]): Outcome[] {
  try {
    database.exec('BEGIN IMMEDIATE')
    const outcomes = writes.map((write) => applyAlone(database, apply, write))
    database.exec('COMMIT')
    return outcomes
  } catch (error) {
    if (database.inTransaction) database.exec('ROLLBACK')
    return writes.map(() => outcomeOf(sqliteError(error)))
  }
}

function applyAlone(database: Database, apply: (write: Write) => void, write: Write): Outcome {
  database.exec('SAVEPOINT one')
  try {
    apply(write)
    database.exec('RELEASE one')
    return undefined
  } catch (error) {
    // A full disk makes SQLite give up the transaction by itself: then nothing of the batch is left.
    if (!database.inTransaction) throw error
    database.exec('ROLLBACK TO one; RELEASE one')
    return outcomeOf(sqliteError(error))
  }
}
