import { createServer, request, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

/** What a front does with a request: answer it with this status, cut the answer in half, edit its text, or pass it on. */
export type Verdict = number | 'cut' | 'edit' | undefined

export interface Front extends AsyncDisposable {
  readonly url: string
}

/** A proxy that is in the way: it passes requests on to `target` as they are, but for those it judges otherwise. */
export async function startFront(
  target: string,
  judge: (request: IncomingMessage) => Verdict,
  edit: (text: string) => string = (text) => text,
): Promise<Front> {
  const server = createServer((incoming, outgoing) => {
    const verdict = judge(incoming)
    if (typeof verdict === 'number') {
      outgoing.writeHead(verdict).end()
      return
    }
    const { hostname, port } = new URL(target)
    const headers = { ...incoming.headers, host: new URL(target).host }
    const onward = request({ hostname, port, method: incoming.method, path: incoming.url, headers }, (answer) => {
      void passOn(answer, outgoing, verdict, edit)
    })
    onward.on('error', () => outgoing.destroy())
    incoming.pipe(onward)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
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
