import type { IncomingMessage, ServerResponse } from 'node:http'

import { LIMITS } from '../limits.ts'

/**
 * An answer is given before the body was read whole. A client that waits for `100 Continue` has sent none of it: the connection ends
 * with the answer. Another one is still sending: what arrives is dropped for a while, because closing at once would make its
 * kernel throw away the answer together with what it could not send.
 */
export function lingerAfterRefusal(
  incoming: IncomingMessage,
  outgoing: ServerResponse,
  waitsForContinue: boolean,
): void {
  if (waitsForContinue) {
    outgoing.shouldKeepAlive = false
    return
  }
  // Also for a client that asked for the end of the connection: it then ends it itself, after it has read.
  outgoing.shouldKeepAlive = true
  let dropped = 0
  incoming.on('data', (bytes: Uint8Array) => {
    dropped += bytes.byteLength
    if (dropped > LIMITS.lingerBytesMax) incoming.destroy()
  })
  incoming.on('error', () => {})
  const cut = setTimeout(() => incoming.destroy(), LIMITS.lingerMs)
  cut.unref()
  incoming.once('close', () => clearTimeout(cut))
  incoming.resume()
}
