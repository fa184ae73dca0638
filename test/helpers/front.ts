import { createServer, request, type IncomingHttpHeaders, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

/**
 * What a front does with a request: answer it with this status, send its client elsewhere, cut the answer in half, hang up after half of what is
 * sent, edit the answer's text, or pass it on.
 */
export type Verdict = number | URL | 'cut' | 'hang up' | 'edit' | undefined

/** A request that was answered. */
export interface Exchange {
  readonly method: string
  readonly path: string
  readonly sent: IncomingHttpHeaders
  readonly status: number
  readonly answered: IncomingHttpHeaders
}

export interface Front extends AsyncDisposable {
  readonly url: string
  /** In the order in which they were answered. */
  readonly exchanges: Exchange[]
}

/** A proxy that is in the way: it passes requests on to `target` as they are, but for those it judges otherwise. */
export async function startFront(
  target: string,
  judge: (request: IncomingMessage) => Verdict = () => undefined,
  edit: (text: string) => string = (text) => text,
): Promise<Front> {
  const exchanges: Exchange[] = []
  const note = ({ method = '', url = '', headers }: IncomingMessage, status: number, answered: IncomingHttpHeaders) =>
    exchanges.push({ method, path: url, sent: headers, status, answered })
  const server = createServer((incoming, outgoing) => {
    const verdict = judge(incoming)
    if (typeof verdict === 'number' || verdict instanceof URL) {
      const [status, headers] = typeof verdict === 'number' ? [verdict, {}] : [307, { location: verdict.href }]
      note(incoming, status, headers)
      outgoing.writeHead(status, headers).end()
      return
    }
    const { hostname, port } = new URL(target)
    const headers = { ...incoming.headers, host: new URL(target).host }
    const onward = request({ hostname, port, method: incoming.method, path: incoming.url, headers }, (answer) => {
      note(incoming, answer.statusCode ?? 502, answer.headers)
      void passOn(answer, outgoing, verdict, edit)
    })
    onward.on('error', () => outgoing.destroy())
    if (verdict === 'hang up') void sendHalf(incoming, onward)
    else incoming.pipe(onward)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    exchanges,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

/** Both sides lose their connection in the middle of the body. */
async function sendHalf(incoming: IncomingMessage, onward: ReturnType<typeof request>): Promise<void> {
  const body = Buffer.concat(await Array.fromAsync(incoming as AsyncIterable<Buffer>))
  onward.write(body.subarray(0, body.byteLength >> 1), () => onward.destroy())
}

async function passOn(
  answer: IncomingMessage,
  outgoing: ServerResponse,
  verdict: Verdict,
  edit: (text: string) => string,
): Promise<void> {
  const status = answer.statusCode ?? 502
  if (verdict === undefined) {
    outgoing.writeHead(status, answer.headers)
    answer.pipe(outgoing)
    return
  }
  const body = Buffer.concat(await Array.fromAsync(answer as AsyncIterable<Buffer>))
  if (verdict === 'cut') {
    outgoing.writeHead(status, answer.headers)
    outgoing.write(body.subarray(0, body.byteLength >> 1), () => outgoing.socket?.destroySoon())
    return
  }
  const edited = outgoing.req.method === 'HEAD' || status !== 200 ? body : Buffer.from(edit(body.toString()))
  const length = edited === body ? answer.headers['content-length'] : String(edited.byteLength)
  outgoing.writeHead(status, { ...answer.headers, ...(length === undefined ? {} : { 'content-length': length }) })
  outgoing.end(edited)
}
