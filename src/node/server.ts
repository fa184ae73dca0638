import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'

import { getRequestListener } from '@hono/node-server'
import { RESPONSE_ALREADY_SENT } from '@hono/node-server/utils/response'

import { admit, type Admission, type App } from '../app.ts'
import { DepotError } from '../errors.ts'
import type { Events } from '../events.ts'
import { sourceOf } from '../http/respond.ts'
import { LIMITS } from '../limits.ts'
import type { RawRequest } from '../gate.ts'
import { accessLine, type AccessLog } from './access-log.ts'
import { clientAddress } from './client-address.ts'
import { hotAnswer, sendHot } from './hot.ts'
import { incomingBody, rawRequestOf } from './incoming.ts'
import { lingerAfterRefusal } from './linger.ts'
import { oneAtATime, type Listener } from './one-at-a-time.ts'
import { orderlyClose, type OrderlyClose, type OrderlyRetreat } from './orderly-close.ts'
import { sendSource } from './send.ts'

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

export interface RunningServer extends OrderlyClose, AsyncDisposable {
  readonly address: AddressInfo
}

/** Serve an application over HTTP/1.1. */
export async function startServer({ host, port, ...options }: ServerOptions): Promise<RunningServer> {
  const { server, ending } = httpServer(options)
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen({ port, ...(host === undefined ? {} : { host }) }, () => {
      server.off('error', reject)
      resolve()
    })
  })
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
  const server = createServer({
    headersTimeout: LIMITS.headersTimeoutMs,
    // Node's own five minutes would cut a long upload; an idle connection is what ends one here.
    requestTimeout: 0,
    keepAliveTimeout: LIMITS.keepAliveTimeoutMs,
    maxHeaderSize: LIMITS.headerBytesMax,
    noDelay: true,
  })
  server.maxHeadersCount = LIMITS.headersMax
  server.timeout = LIMITS.idleTimeoutMs
  const { retire, close, abort } = orderlyClose(server, graceMs)
  server.on('request', (incoming, outgoing) => listen(incoming, outgoing, false))
  // Handling it keeps Node from answering 100 by itself: a refusal then comes before the body.
  server.on('checkContinue', (incoming: IncomingMessage, outgoing: ServerResponse) => listen(incoming, outgoing, true))
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

function listener(
  app: App,
  addressOf: (incoming: IncomingMessage) => string,
  accessLog: AccessLog | undefined,
): Listener {
  const handlers = slowHandler(app)
  let count = 0
  const prefix = Math.random().toString(36).slice(2, 8)

  return (incoming, outgoing, expectsContinue) => {
    const startedAt = performance.now()
    const requestId = `${prefix}-${(++count).toString(36)}`
    const request = rawRequestOf(incoming, addressOf(incoming))
    if (accessLog !== undefined) {
      const { socket } = incoming
      const sentBefore = socket.bytesWritten
      outgoing.once('close', () => {
        const durationMs = performance.now() - startedAt
        accessLog.write(
          accessLine({
            worker: accessLog.worker,
            requestId,
            incoming,
            outgoing,
            durationMs,
            sentBytes: socket.bytesWritten - sentBefore,
            address: request.address,
          }),
        )
      })
    }
    answerHot(app, request, outgoing)
      .then((left) => {
        if (left === 'answered') return
        return handlers(incoming, outgoing, { requestId, expectsContinue, request, admission: left })
      })
      .catch((error: unknown) => {
        app.depot.events.unexpectedError(requestId, error)
        outgoing.destroy()
      })
  }
}

/** Answer from one row, or leave the request, with what the gate said of it, to its handler. */
async function answerHot(app: App, request: RawRequest, outgoing: ServerResponse): Promise<'answered' | Admission> {
  const admission = await admit(app.gate, request)
  // Refusals have one place where they are rendered and logged: the application.
  if ('refused' in admission) return admission
  let answer
  try {
    answer = await hotAnswer(app, admission.admitted, request)
  } catch {
    // And so have failures: the handler comes to the same one.
    return admission
  }
  if (answer === undefined) return admission
  await sendHot(outgoing, answer, request.method)
  return 'answered'
}

interface Context {
  readonly requestId: string
  readonly expectsContinue: boolean
  readonly request: RawRequest
  readonly admission: Admission
}

function tellOfCut(events: Events, requestId: string, error: unknown): void {
  if (error instanceof DepotError) events.answerCut(requestId, error.code, error.message)
  else events.unexpectedError(requestId, error)
}

function slowHandler(app: App) {
  const contexts = new WeakMap<IncomingMessage, Context>()
  const listen = getRequestListener(
    async (request, env) => {
      const incoming = env.incoming as IncomingMessage
      const outgoing = env.outgoing as ServerResponse
      const context = contexts.get(incoming)
      if (context === undefined) throw new Error('a request without its context')
      const { requestId, expectsContinue, request: raw, admission } = context
      const body = incomingBody(incoming, outgoing, expectsContinue)
      const response = await app.fetch(request, {
        requestId,
        raw,
        admission,
        body: body.read,
        sendsSources: true,
      })
      // The listener would write the standard phrase.
      if (response.statusText !== '') outgoing.statusMessage = response.statusText
      if (!incoming.complete) lingerAfterRefusal(incoming, outgoing, body.waitsForContinue)
      const promised = sourceOf(response)
      if (promised === undefined) return response
      const headers = [...response.headers].flat()
      await sendSource(outgoing, { status: response.status, headers }, promised.source, promised.range).catch(
        // The status is sent and the connection cut: there is no answer left to give, only somebody to tell.
        (error: unknown) => tellOfCut(app.depot.events, requestId, error),
      )
      return RESPONSE_ALREADY_SENT
    },
    { autoCleanupIncoming: false },
  )
  return async (incoming: IncomingMessage, outgoing: ServerResponse, context: Context): Promise<void> => {
    contexts.set(incoming, context)
    await listen(incoming, outgoing)
  }
}
