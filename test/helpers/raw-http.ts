import { once } from 'node:events'
import { request, type Agent, type IncomingMessage, type OutgoingHttpHeaders } from 'node:http'
import { connect } from 'node:net'

export interface RawRequest {
  readonly method?: string
  /** Sent as it is: fetch would resolve `..`, decode `%2e` and refuse a NUL. */
  readonly path: string
  readonly headers?: OutgoingHttpHeaders
  readonly body?: Uint8Array | string
  /** Keeps connections for further requests; otherwise each has its own. */
  readonly agent?: Agent
}

export interface RawResponse {
  readonly status: number
  readonly headers: IncomingMessage['headers']
  readonly body: Buffer
}

const TIME_LIMIT_MS = 20_000

/** One request whose target reaches the server byte for byte. A body is framed by its length, unless `headers` frame it. */
export async function rawRequest(
  base: string | URL,
  { method = 'GET', path, headers = {}, body, agent }: RawRequest,
): Promise<RawResponse> {
  const { hostname, port } = new URL(base)
  const length = body === undefined ? {} : { 'Content-Length': Buffer.byteLength(body) }
  const outgoing = request({
    hostname,
    port,
    method,
    headers: { ...length, ...headers },
    agent: agent ?? false,
    timeout: TIME_LIMIT_MS,
  })
  // Past the setter, which refuses control characters: a hostile client does not ask it.
  Object.defineProperty(outgoing, 'path', { value: path })
  outgoing.once('timeout', () => outgoing.destroy(new Error(`no answer to ${method} ${path}`)))
  const answer = once(outgoing, 'response')
  outgoing.end(body)
  const [incoming] = (await answer) as [IncomingMessage]
  // A server that refuses may cut the rest of the request off.
  outgoing.on('error', () => {})
  return { status: incoming.statusCode ?? 0, headers: incoming.headers, body: await bodyOf(incoming) }
}

async function bodyOf(incoming: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = []
  try {
    for await (const chunk of incoming) chunks.push(chunk as Buffer)
  } catch (error) {
    if ((incoming.statusCode ?? 0) < 400) throw error
  }
  return Buffer.concat(chunks)
}

export interface Exchange {
  /** Status codes of every answer on the connection, in order: smuggling shows as one too many. */
  readonly statuses: readonly number[]
  readonly text: string
}

/** Behind an answer: longer than the next one takes. */
const SILENCE_MS = 1000
const TICK_MS = 50

/**
 * Write bytes on a bare connection and read until the server closes it, or falls silent behind an answer.
 *
 * @param patienceMs so long the first byte of an answer may take; less only where none is due
 */
export async function exchange(
  base: string | URL,
  bytes: string | Uint8Array,
  patienceMs = TIME_LIMIT_MS,
): Promise<Exchange> {
  const { hostname, port } = new URL(base)
  const socket = connect({ host: hostname, port: Number(port), allowHalfOpen: true })
  const chunks: Buffer[] = []
  const { promise: finished, resolve } = Promise.withResolvers<void>()
  let quiet = 0
  // Counted and not measured: a server in this process is silent, too, while the process stands still.
  const clock = setInterval(() => {
    const most = chunks.length === 0 ? patienceMs : SILENCE_MS
    if (++quiet * TICK_MS >= most) resolve()
  }, TICK_MS)
  socket.on('data', (chunk) => {
    quiet = 0
    chunks.push(chunk)
  })
  // A reset after the answer is the server's right; what was read until then is what counts.
  socket.on('error', () => resolve())
  socket.on('end', () => resolve())
  socket.write(bytes)
  await finished
  clearInterval(clock)
  socket.destroy()
  const text = Buffer.concat(chunks).toString('latin1')
  return { text, statuses: [...text.matchAll(/^HTTP\/1\.[01] (\d{3})/gm)].map(([, status]) => Number(status)) }
}
