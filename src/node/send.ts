import type { ServerResponse } from 'node:http'

import type { ByteRange, StoredBytes } from '../blob-store.ts'
import { readBuffers } from '../buffer-pool.ts'
import type { Source } from '../source.ts'

/**
 * Write a status line, headers and the bytes of a source to a Node response, with backpressure and without web streams. Bytes
 * that lie in storage go through two buffers of the pool: one is read while the other is sent.
 *
 * When the source fails the socket is destroyed: a short body must never look like a whole one.
 */
export async function sendSource(
  outgoing: ServerResponse,
  head: { readonly status: number; readonly headers: readonly string[] },
  source: Source,
  range: ByteRange,
): Promise<void> {
  await using owned = source
  try {
    outgoing.writeHead(head.status, [...head.headers])
    if (owned.stored === undefined) await sendChunks(outgoing, owned, range)
    else await sendStored(outgoing, owned.stored, range)
    outgoing.end()
  } catch (error) {
    outgoing.destroy()
    if (!(error instanceof ClientGone)) throw error
  }
}

/** The reader left: nothing is wrong, and nobody is there to be told. */
class ClientGone extends Error {}

async function sendChunks(outgoing: ServerResponse, source: Source, range: ByteRange): Promise<void> {
  for await (const bytes of source.chunks(range)) {
    if (outgoing.destroyed) throw new ClientGone()
    if (bytes.byteLength > 0) await write(outgoing, bytes)
  }
}

async function sendStored(outgoing: ServerResponse, stored: StoredBytes, { start, end }: ByteRange): Promise<void> {
  let [filling, leaving] = [readBuffers.take(), readBuffers.take()]
  let sending: Promise<void> = Promise.resolve()
  for (let offset = start; offset < end;) {
    const reading = fill(stored, filling.subarray(0, Math.min(filling.byteLength, end - offset)), offset)
    const [bytes] = await Promise.all([reading, sending])
    sending = write(outgoing, bytes)
    sending.catch(() => {})
    offset += bytes.byteLength
    ;[filling, leaving] = [leaving, filling]
  }
  await sending
  // Only after success: a failed write may still hold its buffer, which then goes to the collector.
  readBuffers.giveBack(filling)
  readBuffers.giveBack(leaving)
}

async function fill(stored: StoredBytes, target: Uint8Array, offset: number): Promise<Uint8Array> {
  const length = await stored.read(target, offset)
  if (length === 0) throw new Error(`storage ended at ${offset}`)
  return target.subarray(0, length)
}

/** Resolves when the bytes have left for the socket, so that their buffer may be used again. */
function write(outgoing: ServerResponse, bytes: Uint8Array): Promise<void> {
  return new Promise((resolve, reject) => {
    if (outgoing.destroyed || outgoing.socket === null) {
      reject(new ClientGone())
      return
    }
    const gone = (): void => reject(new ClientGone())
    outgoing.once('close', gone)
    outgoing.write(bytes, (error) => {
      outgoing.off('close', gone)
      if (error) reject(new ClientGone())
      else resolve()
    })
  })
}
