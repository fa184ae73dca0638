import type { Socket } from 'node:net'

import { LIMITS } from '../limits.ts'

/** One who serves connections: is given one at a time, and says when it has it. */
export type Taker = (connection: Socket) => void

/** Gives out the connections that one process accepts. */
export interface HandOver {
  /** For the one whose turn it is; when none is free, for the first one that will be. */
  offer(connection: Socket): void
  /** Somebody who may be given connections; again, when it has what it was given. */
  free(taker: Taker): void
  /** Nothing any more for this one. */
  remove(taker: Taker): void
  /** Cut those that wait, and every one that is still offered. */
  close(): void
}

/**
 * In turn among those who are free. Each has as many connections as the next, which the kernel does not see to: of processes that accept
 * for themselves the first to wake takes nearly all. And one that is busy, or dead, holds up no connection that another can have.
 */
export function createHandOver(): HandOver {
  // A Set keeps the order: who has had none for longest comes first.
  const free = new Set<Taker>()
  const waiting = new Map<Socket, NodeJS.Timeout>()
  let isClosed = false

  function drop(connection: Socket): void {
    clearTimeout(waiting.get(connection))
    waiting.delete(connection)
    connection.destroy()
  }

  function give(taker: Taker, connection: Socket): void {
    free.delete(taker)
    taker(connection)
  }

  return {
    offer(connection) {
      const [next] = free
      if (isClosed || (next === undefined && waiting.size >= LIMITS.connectionsWaitingMax)) connection.destroy()
      else if (next !== undefined) give(next, connection)
      else waiting.set(connection, setTimeout(drop, LIMITS.connectionWaitMs, connection))
    },
    free(taker) {
      const [first] = waiting
      if (first === undefined) {
        free.add(taker)
        return
      }
      const [connection, timer] = first
      clearTimeout(timer)
      waiting.delete(connection)
      give(taker, connection)
    },
    remove: (taker) => void free.delete(taker),
    close() {
      isClosed = true
      for (const connection of waiting.keys()) drop(connection)
    },
  }
}
