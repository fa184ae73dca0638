import { once } from 'node:events'
import { createServer, request, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

/**
 * What goes wrong with one request to an S3 server:
 * - `slow-down`, `internal-error` and `denied`: 503, 500 and 403 in the server's own words; the request never reaches it;
 * - `lost`: its connection is reset, and the request never reaches the server;
 * - `silent`: it never reaches the server, and is never answered;
 * - `reset`: its connection is reset, though the request was carried out;
 * - `unanswered`: it is never answered, though it was carried out;
 * - `short`: half of the body under the right Content-Length, then the end of the connection;
 * - `stall`: half of the body, then silence;
 * - `shrunk`: half of the body, under a Content-Length that says so;
 * - `flipped`: its body has one wrong bit;
 * - `false-etag`: the body is whole, its ETag is another object's.
 */
export type S3Fault =
  | 'slow-down'
  | 'internal-error'
  | 'denied'
  | 'lost'
  | 'silent'
  | 'reset'
  | 'unanswered'
  | 'short'
  | 'stall'
  | 'shrunk'
  | 'flipped'
  | 'false-etag'
  | undefined

export interface S3Proxy extends AsyncDisposable {
  readonly endpoint: string
  /** Decides about each request; may be replaced at any time. */
  judge: (request: IncomingMessage) => S3Fault
  /** Requests so far, and how many of them met each fault. */
  readonly met: Map<S3Fault | 'request', number>
}

/** An S3 server that fails as it is told, in front of a real one. Signatures stay good: the Host header is passed on. */
export async function startS3Proxy(target: string, judge: S3Proxy['judge'] = () => undefined): Promise<S3Proxy> {
  const met: S3Proxy['met'] = new Map()
  const count = (what: S3Fault | 'request') => met.set(what, (met.get(what) ?? 0) + 1)
  const server = createServer((incoming, outgoing) => {
    const fault = proxy.judge(incoming)
    count('request')
    if (fault !== undefined) count(fault)
    if (fault === 'slow-down') refuse(incoming, outgoing, 503, 'SlowDown')
    else if (fault === 'internal-error') refuse(incoming, outgoing, 500, 'InternalError')
    else if (fault === 'denied') refuse(incoming, outgoing, 403, 'AccessDenied')
    else if (fault === 'lost') incoming.socket.resetAndDestroy()
    else if (fault === 'silent') incoming.resume()
    else passOn(target, incoming, outgoing, fault)
  })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  const proxy: S3Proxy = {
    endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    judge,
    met,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
  return proxy
}

/** The request is read to its end first, as servers do that keep the connection. */
function refuse(incoming: IncomingMessage, outgoing: ServerResponse, status: number, code: string): void {
  const body = `<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>${code}</Code><Message>as told</Message></Error>`
  const headers = { 'Content-Type': 'application/xml', 'Content-Length': Buffer.byteLength(body) }
  incoming.resume().once('end', () => outgoing.writeHead(status, headers).end(body))
}

function passOn(target: string, incoming: IncomingMessage, outgoing: ServerResponse, fault: S3Fault): void {
  const { hostname, port } = new URL(target)
  const { method, url, headers } = incoming
  // Whoever expects 100-continue has been told to go on by this server.
  const { expect: _answered, ...onwardHeaders } = headers
  const onward = request({ hostname, port, method, path: url, headers: onwardHeaders, agent: false }, (answer) => {
    if (fault === 'reset') outgoing.socket?.resetAndDestroy()
    else if (fault === 'unanswered') answer.resume()
    else void reply(answer, outgoing, fault).catch(() => outgoing.destroy())
  })
  onward.on('error', () => outgoing.destroy())
  outgoing.once('close', () => onward.destroy())
  incoming.pipe(onward)
}

async function reply(answer: IncomingMessage, outgoing: ServerResponse, fault: S3Fault): Promise<void> {
  const [status, headers] = [answer.statusCode ?? 502, answer.headers]
  if (fault === 'false-etag' && headers.etag !== undefined) headers.etag = '"00000000000000000000000000000000"'
  if (fault === undefined || fault === 'false-etag') {
    outgoing.writeHead(status, headers)
    answer.pipe(outgoing)
    return
  }
  const body = Buffer.concat(await Array.fromAsync(answer as AsyncIterable<Buffer>))
  const half = body.subarray(0, body.byteLength >> 1)
  switch (fault) {
    case 'shrunk':
      outgoing
        .writeHead(status, body.byteLength === 0 ? headers : { ...headers, 'content-length': half.byteLength })
        .end(half)
      return
    case 'flipped':
      if (half.byteLength > 0) body.writeUInt8(body.readUInt8(half.byteLength) ^ 1, half.byteLength)
      outgoing.writeHead(status, headers).end(body)
      return
    case 'short':
    case 'stall':
      outgoing.writeHead(status, headers).write(half, () => fault === 'short' && outgoing.socket?.destroySoon())
  }
}
