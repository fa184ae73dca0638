import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'

import { LIMITS } from '../limits.ts'

/** How a server ends; asking twice ends it once. */
export interface OrderlyClose {
  /** Take no new connections, let what is running finish within the grace, cut the rest. */
  close(): Promise<void>
  /** End every connection now. */
  abort(): void
}

/** How a server ends of which others take the place. */
export interface OrderlyRetreat extends OrderlyClose {
  /**
   * While others take the new connections: let every answer be the last one of its connection, so that no client loses a request that it
   * sends meanwhile. Resolves when there are no connections, or after `LIMITS.retireMs`.
   */
  retire(): Promise<void>
}

/**
 * Prepare a server's end; to be called before it listens.
 *
 * @param graceMs how long running requests may take after `close`
 */
export function orderlyClose(server: Server, graceMs: number): OrderlyRetreat {
  const connections = connectionsOf(server)
  let isRetiring = false
  const lastAnswer = (_incoming: IncomingMessage, outgoing: ServerResponse): void => {
    if (isRetiring) outgoing.shouldKeepAlive = false
  }
  server.on('request', lastAnswer).on('checkContinue', lastAnswer)
  spareUnsent(server, connections)

  let closing: Promise<void> | undefined
  async function end(): Promise<void> {
    const cut = setTimeout(() => server.closeAllConnections(), graceMs)
    // A connection whose last answer has gone out would otherwise stay for its keep-alive time.
    const sweep = setInterval(() => server.closeIdleConnections(), SWEEP_MS)
    const silence = setTimeout(() => connections.silent.forEach((socket) => socket.destroy()), LIMITS.shutdownSilenceMs)
    await new Promise((resolve) => server.close(resolve))
    // Those that were handed to the server are none that it counts.
    await connections.none()
    clearTimeout(cut)
    clearInterval(sweep)
    clearTimeout(silence)
  }
  return {
    async retire() {
      isRetiring = true
      const waited = new AbortController()
      await Promise.race([connections.none(), sleep(LIMITS.retireMs, undefined, waited).catch(() => {})])
      waited.abort()
    },
    close: () => (closing ??= end()),
    abort: () => server.closeAllConnections(),
  }
}

const SWEEP_MS = 50

/** Node takes an answer for sent when its last byte is written, however much of it a slow client has yet to read. */
function spareUnsent(server: Server, connections: Connections): void {
  const closeIdle = server.closeIdleConnections.bind(server)
  // Node's `close` calls it too.
  server.closeIdleConnections = () => {
    const unsent = connections.unsent()
    for (const socket of unsent) socket.destroy = () => socket
    closeIdle()
    for (const socket of unsent) Reflect.deleteProperty(socket, 'destroy')
  }
}

interface Connections {
  /** Those on which no request has come yet. Node counts them as busy, and a browser opens some to be ready. */
  readonly silent: ReadonlySet<Socket>
  /** Those whose last answer is written, and not sent to its end. */
  unsent(): readonly Socket[]
  /** Resolves when there is none. */
  none(): Promise<void>
}

function connectionsOf(server: Server): Connections {
  const latest = new Map<Socket, ServerResponse | undefined>()
  const silent = new Set<Socket>()
  const waiting: (() => void)[] = []
  server.on('connection', (socket: Socket) => {
    latest.set(socket, undefined)
    silent.add(socket)
    socket.once('close', () => {
      silent.delete(socket)
      latest.delete(socket)
      if (latest.size === 0) for (const resolve of waiting.splice(0)) resolve()
    })
  })
  const spoken = ({ socket }: IncomingMessage, outgoing: ServerResponse): void => {
    silent.delete(socket)
    // A request that came with others may be taken up after the end of its connection.
    if (!socket.destroyed) latest.set(socket, outgoing)
  }
  server.on('request', spoken).on('checkContinue', spoken)
  return {
    silent,
    unsent: () =>
      [...latest].flatMap(([socket, answer]) =>
        answer?.writableEnded === true && !answer.writableFinished ? [socket] : [],
      ),
    none: () => (latest.size === 0 ? Promise.resolve() : new Promise((resolve) => waiting.push(resolve))),
  }
}
