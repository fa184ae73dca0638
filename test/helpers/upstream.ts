import { createServer, type IncomingMessage, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'

/** A server that answers as a test wants and remembers what it was asked. */
export interface TestUpstream extends AsyncDisposable {
  readonly url: string
  readonly requests: readonly IncomingMessage[]
}

/** @param onContinue for requests that wait for `100 Continue`; without it Node tells them to go on */
export async function startUpstream(answer: RequestListener, onContinue?: RequestListener): Promise<TestUpstream> {
  const requests: IncomingMessage[] = []
  const recording =
    (listener: RequestListener): RequestListener =>
    (incoming, outgoing) => {
      requests.push(incoming)
      listener(incoming, outgoing)
    }
  const server = createServer(recording(answer))
  // No connection ends because a test took long between two requests.
  server.keepAliveTimeout = 10 * 60_000
  if (onContinue !== undefined) server.on('checkContinue', recording(onContinue))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}
