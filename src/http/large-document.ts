import { DepotError } from '../errors.ts'
import type { Document } from '../kv-store.ts'
import { LIMITS } from '../limits.ts'
import type { Source } from '../source.ts'
import { shareOf } from '../worker-share.ts'

interface Lent {
  readonly bytes: Uint8Array
  readers: number
}

/** What is being sent, by entity tag. */
const lent = new Map<string, Lent>()
let lentBytes = 0
/** A process that shares its memory with others must still have room for the largest of them. */
const MOST_BYTES = shareOf(LIMITS.largeDocumentsBytesMax, LIMITS.largeDocumentsBytesMin)

/** True for a document that must not be held in memory once for each of its readers. */
export function isLarge({ body }: Pick<Document, 'body'>): boolean {
  return body.length > LIMITS.documentInlineBytesMax
}

/**
 * The bytes of a large document, to be sent piece by piece: all who are sent the same one at a time share its memory, however slowly
 * they read.
 *
 * @throws DepotError `STORAGE_DOWN` (503) when too much is on its way already
 */
export function lendDocument({ body, etag }: Document): Source {
  const own = typeof body === 'string' ? Buffer.from(body) : body
  const known = lent.get(etag)
  // Whatever a tag was made from, nobody is sent another one's bytes.
  const shared = known !== undefined && Buffer.compare(known.bytes, own) === 0 ? known : undefined
  if (shared === undefined && lentBytes + own.byteLength > MOST_BYTES)
    throw new DepotError('STORAGE_DOWN', 'too many large answers are on their way: try again later')
  const mine = shared ?? { bytes: own, readers: 0 }
  if (shared === undefined) {
    lentBytes += own.byteLength
    if (known === undefined) lent.set(etag, mine)
  }
  mine.readers++
  let returned = false
  return {
    sizeBytes: mine.bytes.byteLength,
    async *chunks({ start, end }) {
      for (let at = start; at < end; at += LIMITS.readBufferBytes)
        yield mine.bytes.subarray(at, Math.min(at + LIMITS.readBufferBytes, end))
    },
    async [Symbol.asyncDispose]() {
      if (returned) return
      returned = true
      mine.readers--
      if (mine.readers > 0) return
      lentBytes -= mine.bytes.byteLength
      if (lent.get(etag) === mine) lent.delete(etag)
    },
  }
}
