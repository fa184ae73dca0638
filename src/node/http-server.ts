import { createServer, type IncomingMessage, type Server, type ServerOptions } from 'node:http'

import { LIMITS } from '../limits.ts'
import { refuseMalformed } from './malformed.ts'
import type { Listener } from './one-at-a-time.ts'

/** An HTTP server whose clients cannot hold it with slow or many headers; it takes no requests yet. */
export function createHttpServer(options: ServerOptions): Server {
  const server = createServer({
    headersTimeout: LIMITS.headersTimeoutMs,
    // Node's own five minutes would cut a long upload; an idle connection is what ends one here.
    requestTimeout: 0,
    keepAliveTimeout: LIMITS.keepAliveTimeoutMs,
    maxHeaderSize: LIMITS.headerBytesMax,
    noDelay: true,
    ...options,
  })
  server.maxHeadersCount = LIMITS.headersMax
  refuseMalformed(server)
  return server
}

/** Have every request of a server taken up. Whatever is to see a request first listens to the server before this is called. */
export function takeRequests(server: Server, listen: Listener): void {
  server.on('request', (incoming, outgoing) => listen(incoming, outgoing, false))
  // Handling it keeps Node from answering 100 by itself: a refusal then comes before the body.
  server.on('checkContinue', (incoming: IncomingMessage, outgoing) => listen(incoming, outgoing, true))
}
