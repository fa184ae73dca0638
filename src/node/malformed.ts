import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'

interface Exchange {
  readonly incoming: IncomingMessage
  readonly outgoing: ServerResponse
}

/**
 * Refuse what is no request as Node does, but behind the answers to the requests that came before it on its connection. Node puts its refusal
 * in the place of an answer that is not sent yet, and of one whose client had asked for the end of the connection and sent on.
 */
export function refuseMalformed(server: Server): void {
  const latest = new WeakMap<Socket, Exchange>()
  const refused = new WeakSet<Socket>()
  const take = (incoming: IncomingMessage, outgoing: ServerResponse): void => {
    latest.set(incoming.socket, { incoming, outgoing })
  }
  server.on('request', take).on('checkContinue', take)
  server.on('clientError', (error: NodeJS.ErrnoException, stream) => {
    // Those of an HTTP server are sockets; the type leaves room for others.
    const socket = stream as Socket
    // Every further piece that comes is as bad.
    if (refused.has(socket)) return
    refused.add(socket)
    const before = latest.get(socket)
    if (before !== undefined && isOnItsWay(before, socket)) before.outgoing.once('close', () => refuse(socket, error))
    else refuse(socket, error, before?.outgoing)
  })
}

/** A request that came whole, and whose answer can still be sent. One whose body is malformed is itself what is refused. */
function isOnItsWay({ incoming, outgoing }: Exchange, socket: Socket): boolean {
  return incoming.complete && !outgoing.closed && socket.writable
}

function refuse(socket: Socket, error: NodeJS.ErrnoException, underWay?: ServerResponse): void {
  const isInTheMiddle = underWay !== undefined && !underWay.closed && underWay.headersSent
  if (socket.writable && !isInTheMiddle) socket.write(`HTTP/1.1 ${statusOf(error)}\r\nConnection: close\r\n\r\n`)
  if (isInTheMiddle) socket.destroy(error)
  else socket.destroySoon()
}

function statusOf({ code }: NodeJS.ErrnoException): string {
  return STATUSES.get(code ?? '') ?? '400 Bad Request'
}

const STATUSES: ReadonlyMap<string, string> = new Map([
  ['HPE_HEADER_OVERFLOW', '431 Request Header Fields Too Large'],
  ['HPE_CHUNK_EXTENSIONS_OVERFLOW', '413 Payload Too Large'],
  ['ERR_HTTP_REQUEST_TIMEOUT', '408 Request Timeout'],
])
