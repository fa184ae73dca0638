import type { ServerResponse } from 'node:http'

import type { ByteRange, StoredBytes } from '../blobs/blob-store.ts'
import { readBuffers } from '../buffer-pool.ts'
import { hasCode } from '../errors.ts'
import { closeQuietly, type Source } from '../source.ts'

/** A status line and its headers. */
export interface Head {
  readonly status: number
  readonly headers: readonly string[]
}

/**
 * Write a status line, headers and the bytes of a source to a Node response, with backpressure and without web streams. Bytes
 * that lie in storage go through two buffers of the pool: one is read while the other is sent.
 *
 * The head leaves with the first bytes, so that storage that is down by then can still be refused. When the source fails in any other
 * way the socket is destroyed: a short body must never look like a whole one.
 *
 * @throws DepotError `STORAGE_DOWN` with the response untouched when nothing of it has left; anything else with the response destroyed
 */
export async function sendSource(
  outgoing: ServerResponse,
  head: Head,
  source: Source,
  range: ByteRange,
): Promise<void> {
  // A read that waits for a slow store would not hear of it.
  const gone = (): void => void closeQuietly(source)
  if (source.stored !== undefined) outgoing.once('close', gone)
  try {
    const send = sender(outgoing, head)
    if (source.stored === undefined) await sendChunks(outgoing, send, source, range)
    else await sendStored(send, source.stored, range)
    // Without bytes the head is still to come.
    if (!outgoing.headersSent) outgoing.writeHead(head.status, [...head.headers])
    outgoing.end()
  } catch (error) {
    if (outgoing.destroyed) return
    if (!outgoing.headersSent && hasCode(error, 'STORAGE_DOWN')) throw error
    outgoing.destroy()
    if (!(error instanceof ClientGone)) throw error
  } finally {
    outgoing.off('close', gone)
    await closeQuietly(source)
  }
}

/** The reader left: nothing is wrong, and nobody is there to be told. */
class ClientGone extends Error {}

/** Resolves when the bytes have left for the socket, so that their buffer may be used again. @throws ClientGone */
type Send = (bytes: Uint8Array) => Promise<void>

/** Node sends the head together with the first bytes that are written in the same turn. */
function sender(outgoing: ServerResponse, { status, headers }: Head): Send {
  return (bytes) =>
    new Promise((resolve, reject) => {
      if (outgoing.destroyed || outgoing.socket === null) {
        reject(new ClientGone())
        return
      }
      const gone = (): void => reject(new ClientGone())
      outgoing.once('close', gone)
      if (!outgoing.headersSent) outgoing.writeHead(status, [...headers])
      outgoing.write(bytes, (error) => {
        outgoing.off('close', gone)
        if (error) reject(new ClientGone())
        else resolve()
      })
    })
}

/** What is made of much may take long before its first byte: a source gives empty pieces meanwhile, so that it hears when nobody waits. */
async function sendChunks(outgoing: ServerResponse, send: Send, source: Source, range: ByteRange): Promise<void> {
  for await (const bytes of source.chunks(range)) {
    if (outgoing.destroyed) throw new ClientGone()
    if (bytes.byteLength > 0) await send(bytes)
  }
}

async function sendStored(send: Send, stored: StoredBytes, { start, end }: ByteRange): Promise<void> {
  let [filling, leaving] = [readBuffers.take(), readBuffers.take()]
  let sending: Promise<void> = Promise.resolve()
  for (let offset = start; offset < end;) {
    const reading = fill(stored, filling.subarray(0, Math.min(filling.byteLength, end - offset)), offset)
    const [bytes] = await Promise.all([reading, sending])
    sending = send(bytes)
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
