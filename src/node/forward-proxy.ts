import { request as httpRequest } from 'node:http'
import { request as httpsRequest } from 'node:https'
import type { Duplex } from 'node:stream'

import type { TokenSource } from '../client/token-source.ts'
import { DepotError } from '../errors.ts'
import { LIMITS } from '../limits.ts'
import { createHttpServer, takeRequests } from './http-server.ts'
import { orderlyClose, type OrderlyClose } from './orderly-close.ts'
import { oneAtATime } from './one-at-a-time.ts'
import { createProxyAgent } from './proxy-connection.ts'
import { relay, type Upstream } from './proxy-exchange.ts'
import { listenLocally, type LocalAddress } from './proxy-listen.ts'

export interface ForwardProxyOptions {
  /** URL of the depot. Its path is kept: `/npm/x` goes to `https://host/depot/npm/x`. */
  readonly target: URL
  /** Asked for each request with its method and the path as it is sent on. */
  readonly credentials: TokenSource
  readonly listen: LocalAddress
  /** Told in one sentence, without names and secrets, why a request got no answer or half of one. */
  readonly failed?: (sentence: string) => void
  /** In-flight requests get this long after `close`. */
  readonly graceMs?: number
}

export interface ForwardProxy extends OrderlyClose, AsyncDisposable {
  /** `http://127.0.0.1:<port>` or `unix:<path>`. */
  readonly url: string
}

/**
 * Serve one depot to the programs of this machine, with its user's credentials on every request. It is no open proxy: there is one
 * target, and redirects are passed on, not followed.
 *
 * @throws DepotError `BAD_REQUEST` for a target that is no http(s) URL, `CONFLICT` when the place to listen on is taken
 */
export async function startForwardProxy(options: ForwardProxyOptions): Promise<ForwardProxy> {
  const { credentials, failed = () => {}, graceMs = LIMITS.shutdownGraceMs } = options
  const target = targetOf(options.target)
  const tls = target.protocol === 'https:'
  const agent = createProxyAgent(tls)
  const request = tls ? httpsRequest : httpRequest
  const upstream: Upstream = { target, credentials, agent, request, localPort: () => listening.port, failed }

  // What ends an idle exchange is the idle time of the connection to the depot.
  const server = createHttpServer({ highWaterMark: LIMITS.proxyBufferBytes })
  const ending = orderlyClose(server, graceMs)
  takeRequests(
    server,
    oneAtATime((incoming, outgoing, waits) => void relay(upstream, incoming, outgoing, waits)),
  )
  server.on('connect', (_incoming, socket: Duplex) => socket.end(NO_TUNNEL))
  const listening = await listenLocally(server, options.listen)

  let closing: Promise<void> | undefined
  async function end(): Promise<void> {
    await ending.close()
    agent.destroy()
    await listening.remove()
  }
  const close = (): Promise<void> => (closing ??= end())
  return {
    url: listening.url,
    close,
    abort: ending.abort,
    async [Symbol.asyncDispose]() {
      const closed = close()
      ending.abort()
      await closed
    },
  }
}

const NO_TUNNEL =
  'HTTP/1.1 405 Method Not Allowed\r\nContent-Type: text/plain\r\nConnection: close\r\n\r\n' +
  'depot proxy: this is a proxy for one depot, it opens no tunnels\n'

/** What requests are sent to: credentials do not come from a URL, and a query has no place in front of a path. */
function targetOf({ protocol, host, pathname }: URL): URL {
  if (protocol !== 'http:' && protocol !== 'https:')
    throw new DepotError('BAD_REQUEST', 'the URL of a depot begins with http:// or https://')
  return new URL(`${protocol}//${host}${pathname.replace(/\/+$/, '')}`)
}
