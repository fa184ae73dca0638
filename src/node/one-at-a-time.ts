import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'

import { LIMITS } from '../limits.ts'

/** Takes up a request. `expectsContinue`: its client holds the body back until it is told to go on. */
export type Listener = (incoming: IncomingMessage, outgoing: ServerResponse, expectsContinue: boolean) => void

/**
 * Requests that a client sends without waiting for answers (RFC 9112 §9.3.2) are taken up one after another: an answer that
 * may not go out yet would hold its file and its buffers, and be told of nobody when the connection ends. A client that has
 * `LIMITS.requestsWaitingMax` of them waiting loses its connection: they come faster than they can be answered.
 */
export function oneAtATime(listen: Listener): Listener {
  const lines = new WeakMap<Socket, { latest: ServerResponse; waiting: number }>()
  return (incoming, outgoing, expectsContinue) => {
    const { socket } = incoming
    if (socket.destroyed) return
    const known = lines.get(socket)
    const line = known ?? { latest: outgoing, waiting: 0 }
    if (known === undefined) lines.set(socket, line)
    const before = line.latest
    line.latest = outgoing
    // Node gives the connection to one answer at a time.
    if (outgoing.socket !== null || before === outgoing) return listen(incoming, outgoing, expectsContinue)
    if (++line.waiting > LIMITS.requestsWaitingMax) return void socket.destroy()
    before.once('close', () => {
      line.waiting--
      if (!socket.destroyed) listen(incoming, outgoing, expectsContinue)
    })
  }
}
