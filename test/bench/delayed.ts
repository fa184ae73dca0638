import { once } from 'node:events'
import { connect, createServer, type AddressInfo, type Socket } from 'node:net'

export interface DelayedServer extends AsyncDisposable {
  readonly url: string
}

/** A server as it is seen over a line: everything takes `delayMs` there and back together, and so does a new connection. */
export async function startDelayed(target: string, delayMs: number): Promise<DelayedServer> {
  const { port } = new URL(target)
  const sockets = new Set<Socket>()
  const server = createServer((near) => {
    const far = connect(Number(port), '127.0.0.1')
    const opened = performance.now() + delayMs
    relay(near, far, delayMs / 2, opened)
    relay(far, near, delayMs / 2, opened)
    for (const socket of [near, far]) {
      sockets.add(socket)
      socket.setNoDelay(true)
    }
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy()
      server.close()
      await once(server, 'close')
    },
  }
}

/** Pass bytes on in their order, each piece some time after it came; what is on the line at once is bounded as by a window. */
function relay(from: Socket, to: Socket, delayMs: number, notBefore: number): void {
  let onLine = 0
  const later = (work: () => void): void => {
    setTimeout(work, Math.max(delayMs, notBefore - performance.now()))
  }
  from.on('data', (piece: Buffer) => {
    onLine += piece.length
    if (onLine > WINDOW_BYTES) from.pause()
    later(() => {
      onLine -= piece.length
      if (onLine <= WINDOW_BYTES) from.resume()
      to.write(piece)
    })
  })
  from.on('end', () => later(() => to.end()))
  from.on('error', () => to.destroy())
}

/** What a connection of today's systems has under way. */
const WINDOW_BYTES = 4 * 1024 * 1024
