import type { Socket } from 'node:net'

import { LIMITS } from '../limits.ts'

/** Sends a connection to a process. This one keeps it open beside, until the other one has it. */
export type Taker = (connection: Socket) => void

/** Gives out the connections that one process accepts to those that serve them. */
export interface HandOver {
  /** For the one whose turn it is. */
  offer(connection: Socket): void
  /** One more who takes connections. */
  add(taker: Taker): void
  /** It has what it was sent. */
  taken(taker: Taker): void
  /** It is sent nothing more; what it was sent it takes. */
  remove(taker: Taker): void
  /** It has gone. What it did not take others do: nobody has read of it. */
  lost(taker: Taker): void
  /** Cut those that wait, and every one that is still offered. */
  close(): void
}

interface Line {
  /** On its way; one at a time. */
  sent: Socket | undefined
  readonly next: Socket[]
  isLeaving: boolean
}

/**
 * In turn: each has as many connections as the next. One that is slow to take them is passed over, what was on its way to one that dies goes to
 * another, and while there is none at all connections wait for the first: none of which processes that accept for themselves would do.
 */
export function createHandOver(): HandOver {
  // In the order of their turns.
  const lines = new Map<Taker, Line>()
  const waiting = new Map<Socket, NodeJS.Timeout>()
  let isClosed = false

  function forget(connection: Socket): void {
    clearTimeout(waiting.get(connection))
    waiting.delete(connection)
  }

  function drop(connection: Socket): void {
    forget(connection)
    connection.destroy()
  }

  function push(taker: Taker, line: Line): void {
    if (line.sent !== undefined) return
    line.sent = line.next.shift()
    if (line.sent !== undefined) taker(line.sent)
  }

  function offer(connection: Socket): void {
    if (isClosed) return void connection.destroy()
    for (const [taker, line] of lines) {
      if (line.isLeaving || line.next.length >= LIMITS.connectionsAhead) continue
      lines.delete(taker)
      lines.set(taker, line)
      line.next.push(connection)
      return push(taker, line)
    }
    if (waiting.size >= LIMITS.connectionsWaitingMax) connection.destroy()
    else waiting.set(connection, setTimeout(drop, LIMITS.connectionWaitMs, connection))
  }

  function offerWaiting(): void {
    const all = [...waiting.keys()]
    all.forEach(forget)
    all.forEach(offer)
  }

  function end(taker: Taker, line: Line, left: readonly (Socket | undefined)[]): void {
    if (line.isLeaving && line.sent === undefined) lines.delete(taker)
    for (const connection of left) if (connection !== undefined) offer(connection)
  }

  return {
    offer,
    add(taker) {
      lines.set(taker, { sent: undefined, next: [], isLeaving: false })
      offerWaiting()
    },
    taken(taker) {
      const line = lines.get(taker)
      if (line === undefined) return
      // Only here: the other one has it.
      line.sent?.destroy()
      line.sent = undefined
      push(taker, line)
      if (line.isLeaving) end(taker, line, [])
      else offerWaiting()
    },
    remove(taker) {
      const line = lines.get(taker)
      if (line === undefined) return
      line.isLeaving = true
      end(taker, line, line.next.splice(0))
    },
    lost(taker) {
      const line = lines.get(taker)
      if (line === undefined) return
      const left = [line.sent, ...line.next.splice(0)]
      line.isLeaving = true
      line.sent = undefined
      end(taker, line, left)
    },
    close() {
      isClosed = true
      for (const connection of waiting.keys()) drop(connection)
      for (const { next } of lines.values()) for (const connection of next.splice(0)) connection.destroy()
    },
  }
}
