import type { Database } from 'better-sqlite3'

/** Reads that share a transaction, so that its begin and end, which cost twice what a row does, are paid once for all of them. */
export interface SharedTurn {
  /** The reads from here to the end of this turn of the event loop may share one. */
  open(): void
  /** To be called before each of them. */
  beforeRead(): void
  /** What was written up to here is seen by every read from here on. */
  refresh(): void
  /** Nothing is shared any more. */
  close(): void
}

/** A shared view is given up when it is older than this: a long turn would keep what is written from being folded into the file. */
const AGE_MS_MAX = 1

/**
 * One view of the database for the reads of one turn, from the second one on: alone a read is cheaper without.
 *
 * A turn must be opened by what arrived from a socket in it. The loop looks for news once a turn, before anything of it is handled: whoever
 * asks after another process has told him of a commit is heard in a later turn. Where that is not sure, `refresh` makes it so.
 */
export function sharedTurn(connection: Database): SharedTurn {
  const begin = connection.prepare('BEGIN')
  const commit = connection.prepare('COMMIT')
  let reads: number | undefined
  let since = 0

  function refresh(): void {
    // An error in the middle may have ended it already.
    if (since !== 0 && connection.inTransaction) commit.run()
    since = 0
  }
  function close(): void {
    reads = undefined
    refresh()
  }
  return {
    open() {
      if (reads !== undefined) return
      reads = 0
      setImmediate(close)
    },
    beforeRead() {
      if (reads === undefined || ++reads === 1) return
      const now = performance.now()
      if (since !== 0 && now - since < AGE_MS_MAX) return
      refresh()
      begin.run()
      since = now
    },
    refresh,
    close,
  }
}
