import type { Server } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'

import type { App } from '../app.ts'
import { LIMITS } from '../limits.ts'
import type { AccessLog } from './access-log.ts'
import { watchArrivals } from './arrivals.ts'
import { bind } from './bind.ts'
import { clientAddress } from './client-address.ts'
import { createHttpServer, takeRequests } from './http-server.ts'
import { listener } from './listener.ts'
import { oneAtATime } from './one-at-a-time.ts'
import { orderlyClose, type OrderlyRetreat } from './orderly-close.ts'

export interface ServeOptions {
  readonly app: App
  readonly accessLog?: AccessLog
  /** Reverse proxies whose X-Forwarded-For is believed, as addresses or CIDR ranges. */
  readonly trustedProxies?: readonly string[]
  /** In-flight requests get this long after `close`. */
  readonly graceMs?: number
}

export interface ServerOptions extends ServeOptions {
  readonly host: string | undefined
  /** 0 for any free port. */
  readonly port: number
}

export interface RunningServer extends OrderlyRetreat, AsyncDisposable {
  readonly address: AddressInfo
}

/** Serve an application over HTTP/1.1. */
export async function startServer({ host, port, ...options }: ServerOptions): Promise<RunningServer> {
  const { server, ending } = httpServer(options)
  await bind(server, { port, ...(host === undefined ? {} : { host }) })
  return { address: server.address() as AddressInfo, ...ending }
}

/** A server whose connections another process accepts. */
export interface HandedServer extends OrderlyRetreat, AsyncDisposable {
  take(connection: Socket): void
}

/** Serve an application over connections that are handed over. */
export function serveHanded(options: ServeOptions): HandedServer {
  const { server, ending } = httpServer(options)
  // A server that does not listen neither counts its connections nor looks at their timeouts, unless it thinks that it does.
  server.emit('listening')
  return {
    ...ending,
    take(connection) {
      // As the connections of Node's own server: a client that has sent its request may end its side.
      connection.allowHalfOpen = true
      server.emit('connection', connection)
    },
  }
}

function httpServer({ app, accessLog, trustedProxies = [], graceMs = LIMITS.shutdownGraceMs }: ServeOptions): {
  readonly server: Server
  readonly ending: OrderlyRetreat & AsyncDisposable
} {
  const listen = oneAtATime(listener(app, clientAddress(trustedProxies), accessLog))
  // Nobody waits for the end of a body that was never announced.
  const server = createHttpServer({ optimizeEmptyRequests: true })
  server.timeout = LIMITS.idleTimeoutMs
  const { retire, close, abort } = orderlyClose(server, graceMs)
  const wasOnItsWay = watchArrivals(server)
  const { kv } = app.depot
  takeRequests(server, (incoming, outgoing, expectsContinue) => {
    // Its client may know what another process committed a moment ago.
    if (!wasOnItsWay(incoming)) kv.readAnew?.()
    else if (incoming.method === 'GET') kv.readTogether?.()
    listen(incoming, outgoing, expectsContinue)
  })
  return {
    server,
    ending: {
      retire,
      close,
      abort,
      async [Symbol.asyncDispose]() {
        const closed = close()
        abort()
        await closed
      },
    },
  }
}
