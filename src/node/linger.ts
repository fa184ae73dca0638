import type { IncomingMessage, ServerResponse } from 'node:http'

import { LIMITS } from '../limits.ts'

/**
 * An answer given before the body was read whole: say that the connection ends, and go on dropping what arrives for a while.
 * Closing at once would make the client's kernel throw away the answer together with what it could not send.
 */
export function lingerAfterRefusal(incoming: IncomingMessage, outgoing: ServerResponse): void {
  outgoing.shouldKeepAlive = false
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
