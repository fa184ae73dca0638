import type { IncomingMessage, Server } from 'node:http'
import type { Socket } from 'node:net'

import { LIMITS } from '../limits.ts'

/** How a server ends; asking twice ends it once. */
export interface OrderlyClose {
  /** Take no new connections, let what is running finish within the grace, cut the rest. */
  close(): Promise<void>
  /** End every connection now. */
  abort(): void
}

/**
 * Prepare a server's end; to be called before it listens.
 *
 * @param graceMs how long running requests may take after `close`
 */
export function orderlyClose(server: Server, graceMs: number): OrderlyClose {
  const silent = silentConnections(server)
  let closing: Promise<void> | undefined
  async function end(): Promise<void> {
    const cut = setTimeout(() => server.closeAllConnections(), graceMs)
    // A connection whose last answer has gone out would otherwise stay for its keep-alive time.
    const sweep = setInterval(() => server.closeIdleConnections(), SWEEP_MS)
    const silence = setTimeout(() => silent.forEach((socket) => socket.destroy()), LIMITS.shutdownSilenceMs)
    await new Promise((resolve) => server.close(resolve))
    clearTimeout(cut)
    clearInterval(sweep)
    clearTimeout(silence)
  }
  return { close: () => (closing ??= end()), abort: () => server.closeAllConnections() }
}

const SWEEP_MS = 50

/** Connections on which no request has come yet. Node counts them as busy, and a browser opens some to be ready. */
function silentConnections(server: Server): ReadonlySet<Socket> {
  const silent = new Set<Socket>()
  server.on('connection', (socket: Socket) => {
    silent.add(socket)
    socket.once('close', () => silent.delete(socket))
  })
  const spoken = ({ socket }: IncomingMessage): void => void silent.delete(socket)
  server.on('request', spoken).on('checkContinue', spoken)
  return silent
}
