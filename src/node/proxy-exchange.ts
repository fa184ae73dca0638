import type { Agent, ClientRequest, IncomingMessage, RequestOptions, ServerResponse } from 'node:http'
import { pipeline, type Transform } from 'node:stream'

import { answerHeaders, hasBody, onwardHeaders, valueOf, type Rewriting } from '../client/proxy-headers.ts'
import { admitLocal, onwardTarget, refuseCredentials, type OnwardTarget } from '../client/proxy-rules.ts'
import type { TokenSource } from '../client/token-source.ts'
import { DepotError } from '../errors.ts'
import { LIMITS } from '../limits.ts'
import { messageOf, systemCode } from '../thrown.ts'
import { lingerAfterRefusal } from './linger.ts'
import { holdBody, passBody, takeBody } from './proxy-connection.ts'
import { failureOf } from './proxy-failure.ts'
import { changesOf } from './proxy-packument.ts'

/** The one depot that a proxy speaks to. */
export interface Upstream {
  /** Without a trailing slash in its path, and without query, fragment and userinfo. */
  readonly target: URL
  readonly credentials: TokenSource
  readonly agent: Agent
  /** `request` of node:http or node:https, as the target wants it. */
  request(options: RequestOptions): ClientRequest
  /** Port on loopback; undefined on a unix socket. */
  localPort(): number | undefined
  /** Told in one sentence, without names and secrets, why a request got no answer or half of one. */
  failed(sentence: string): void
}

interface Exchange {
  readonly upstream: Upstream
  readonly incoming: IncomingMessage
  readonly outgoing: ServerResponse
  readonly onward: OnwardTarget
  /** True while the client holds its body back until it is told to go on. */
  waitsForContinue: boolean
}

/** Answer one local request with what the depot says to it. Never throws; a failure is an answer, or the end of the connection. */
export async function relay(
  upstream: Upstream,
  incoming: IncomingMessage,
  outgoing: ServerResponse,
  expectsContinue: boolean,
): Promise<void> {
  const onward = { path: '', pathAndQuery: '' }
  const exchange: Exchange = { upstream, incoming, outgoing, onward, waitsForContinue: expectsContinue }
  try {
    const { headers, httpVersion } = incoming
    const fetchSite = valueOf(incoming.rawHeaders, 'sec-fetch-site')
    admitLocal({ httpVersion, host: headers.host, origin: headers.origin, fetchSite }, upstream.localPort())
    refuseCredentials(incoming.method ?? '', incoming.url ?? '')
    Object.assign(onward, onwardTarget(prefixOf(upstream.target), incoming.url ?? ''))
    await send(exchange)
  } catch (error) {
    fail(exchange, error)
  }
}

function prefixOf({ pathname }: URL): string {
  return pathname.replace(/\/$/, '')
}

async function send(exchange: Exchange): Promise<void> {
  const { upstream, incoming, outgoing, onward } = exchange
  const { method = 'GET', rawHeaders } = incoming
  const authorization = await credentialsFor(upstream, { method, path: onward.path })
  if (outgoing.destroyed) return
  const { host, hostname, port } = upstream.target
  const request = upstream.request({
    hostname: hostname.replace(/^\[|\]$/g, ''),
    port,
    agent: upstream.agent,
    method,
    path: onward.pathAndQuery,
    headers: onwardHeaders({ method, headers: rawHeaders, host, authorization }),
    maxHeaderSize: LIMITS.headerBytesMax,
    timeout: LIMITS.idleTimeoutMs,
  })
  if (method === 'GET') holdBody(request)
  outgoing.once('close', () => request.destroy())
  request.once('timeout', () => request.destroy(new DepotError('STORAGE_DOWN', SILENT, { status: 504 })))
  request.once('continue', () => {
    exchange.waitsForContinue = false
    outgoing.writeContinue()
  })
  request.once('response', (answer) => passOn(exchange, request, answer))
  // Nobody asked for another protocol. Without a listener Node ends that connection and tells of nothing.
  request.once('upgrade', (_answer, socket) => {
    socket.destroy()
    fail(exchange, new DepotError('STORAGE_DOWN', SWITCHED, { status: 502 }))
  })
  const sends = hasBody(rawHeaders)
  request.on('error', (error) => {
    // The depot closed a connection that had been idle just when this request was written to it.
    if (request.reusedSocket && !sends && !outgoing.headersSent && isReset(error) && SAFE.has(method))
      send(exchange).catch((again: unknown) => fail(exchange, again))
    else fail(exchange, error)
  })
  // The body follows as it comes: a client that waits to be told sends none before that.
  if (sends) incoming.pipe(request)
  else request.end()
}

/** A key that is locked or gone is this side's fault: to the client no credentials of its own were refused. */
async function credentialsFor(
  { credentials }: Upstream,
  request: Parameters<TokenSource['authorization']>[0],
): Promise<string | undefined> {
  try {
    return await credentials.authorization(request)
  } catch (cause) {
    const reason = messageOf(cause)
    throw new DepotError('STORAGE_DOWN', `no login could be made: ${reason}`, { status: 502, cause })
  }
}

const SILENT = 'the depot was silent for too long'
const SWITCHED = 'the depot wants to speak another protocol'
const SAFE = new Set(['GET', 'HEAD'])

function isReset(error: Error): boolean {
  return ['ECONNRESET', 'EPIPE'].includes(systemCode(error) ?? '')
}

function passOn(exchange: Exchange, request: ClientRequest, answer: IncomingMessage): void {
  const { upstream, incoming, outgoing, onward } = exchange
  const { statusCode: status = 502, statusMessage = '' } = answer
  if (status >= 300 && !incoming.complete && hasBody(incoming.rawHeaders)) {
    // Refused before the body was read whole: the rest of it goes nowhere.
    incoming.unpipe(request)
    lingerAfterRefusal(incoming, outgoing, exchange.waitsForContinue)
  }
  const rewriting = rewritingOf(upstream, incoming)
  const changes = changesOf(answer, incoming, rewriting)
  const headers = answerHeaders(answer.rawHeaders, rewriting, { path: onward.path, bodyChanges: changes !== undefined })
  try {
    outgoing.writeHead(status, statusMessage, [...headers])
  } catch (error) {
    request.destroy()
    fail(exchange, error)
    return
  }
  sendBody(exchange, request, answer, changes)
}

function sendBody(
  { upstream, incoming, outgoing }: Exchange,
  request: ClientRequest,
  answer: IncomingMessage,
  changes: readonly Transform[] | undefined,
): void {
  const cut = (error: NodeJS.ErrnoException): void => {
    // A body that ends early must not look whole: the connection ends with it.
    outgoing.destroy()
    if (error.code !== CLIENT_LEFT) upstream.failed(failureOf(error, upstream.target).sentence)
  }
  const sizeBytes = changes === undefined && incoming.method === 'GET' ? declaredSizeOf(answer) : 0
  const end = (): void => void outgoing.end(() => request.destroy())
  if (sizeBytes >= LIMITS.proxyDirectBytesMin && takeBody(answer, sizeBytes, outgoing, end)) {
    answer.once('error', (error) => {
      if (!outgoing.destroyed) cut(error)
    })
    return
  }
  passBody(answer)
  pipeline([answer, ...(changes ?? []), outgoing], (error) => {
    if (error) cut(error)
  })
}

/** A 304 may name the length of a body that does not follow (RFC 9110 §8.6). */
function declaredSizeOf({ statusCode, headers }: IncomingMessage): number {
  return statusCode === 200 || statusCode === 206 ? Number(headers['content-length'] ?? 0) : 0
}

/** What a pipeline calls it when its last part closes before its time. */
const CLIENT_LEFT = 'ERR_STREAM_PREMATURE_CLOSE'

/** The client reaches the proxy under the name in its Host, so that is what addresses in answers begin with. */
function rewritingOf({ target }: Upstream, incoming: IncomingMessage): Rewriting {
  return { target: target.href.replace(/\/$/, ''), base: `http://${incoming.headers.host ?? 'localhost'}` }
}

function fail({ upstream, incoming, outgoing, waitsForContinue }: Exchange, error: unknown): void {
  if (outgoing.destroyed || incoming.destroyed) return
  const { status, sentence } = failureOf(error, upstream.target)
  upstream.failed(sentence)
  if (outgoing.headersSent) {
    outgoing.destroy()
    return
  }
  incoming.unpipe()
  // The depot's own may have been what cannot be passed on.
  outgoing.statusMessage = ''
  if (!incoming.complete && hasBody(incoming.rawHeaders)) lingerAfterRefusal(incoming, outgoing, waitsForContinue)
  outgoing.writeHead(status, { 'Content-Type': 'text/plain; charset=utf-8' }).end(`${sentence}\n`)
}
