import type { IncomingMessage, Server } from 'node:http'
import type { Socket } from 'node:net'

/**
 * Tells of a request, when it is taken up, whether its client began to send it before anything of this turn of the event loop was handled.
 *
 * The loop asks once a turn which sockets have something, and reads from each when its time comes: what is read may have been sent meanwhile.
 * So the first request of a socket in a turn was there, for without it the socket would not have been named; unless something else was, the
 * rest of an earlier request's body, and unless the loop asked twice, which it does when as many sockets had something as one answer names.
 * Bodies of GET and HEAD, which have no meaning, are left out of account.
 */
export function watchArrivals(server: Server): (incoming: IncomingMessage) => boolean {
  const latest = new WeakMap<Socket, { turn: number; hadBody: boolean }>()
  let connections = 0
  let turn = 0
  let isCounted = false

  server.on('connection', (socket: Socket) => {
    connections++
    socket.once('close', () => connections--)
  })

  function turnNow(): number {
    if (!isCounted) {
      isCounted = true
      turn++
      setImmediate(() => (isCounted = false))
    }
    return turn
  }

  return ({ socket, method }) => {
    const now = turnNow()
    const hadBody = method !== 'GET' && method !== 'HEAD'
    const before = latest.get(socket)
    if (before === undefined) {
      latest.set(socket, { turn: now, hadBody })
      return connections <= CONNECTIONS_MAX
    }
    const isFirst = before.turn !== now && !before.hadBody
    before.turn = now
    before.hadBody = hadBody
    return isFirst && connections <= CONNECTIONS_MAX
  }
}

/** libuv takes 1,024 names at once; there are other sockets than those of clients. */
const CONNECTIONS_MAX = 768
