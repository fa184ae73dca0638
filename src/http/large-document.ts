import { DepotError } from '../errors.ts'
import type { Document, LargeBody, MaybePromise, StoredDocument } from '../kv-store.ts'
import { LIMITS } from '../limits.ts'
import type { Source } from '../source.ts'
import { shareOf } from '../worker-share.ts'

type Body = StoredDocument['body']

interface Lent {
  readonly name: string
  /** Undefined when the document was gone before it was read. */
  readonly bytes: MaybePromise<Uint8Array | undefined>
  readonly sizeBytes: number
  readers: number
}

/** What is being sent: by its name in the store, or by its entity tag when it was made a moment ago. */
const lent = new Map<string, Lent>()
let lentBytes = 0
/** A process that shares its memory with others must still have room for the largest of them. */
const MOST_BYTES = shareOf(LIMITS.largeDocumentsBytesMax, LIMITS.largeDocumentsBytesMin)

/** True for the body of a document whose bytes are still in the store. */
export function isStored(body: Body): body is LargeBody {
  return typeof body === 'object' && 'read' in body
}

/** A body that is handed to its connection whole; undefined for one that must not be in memory once for each of its readers. */
export function smallBody(body: Body): Document['body'] | undefined {
  return isStored(body) || body.length > LIMITS.documentInlineBytesMax ? undefined : body
}

/**
 * The bytes of a large document, to be sent piece by piece: all who are sent the same one at a time share its memory, however slowly
 * they read, and it is read from the store once. Undefined when the store has another document by now.
 *
 * @throws DepotError `STORAGE_DOWN` (503) when too much is on its way already
 */
export function lendDocument({ body, etag }: StoredDocument): MaybePromise<Source | undefined> {
  if (isStored(body)) return lend(lent.get(body.name) ?? hold(body.name, body.sizeBytes, () => body.read()))
  const own = typeof body === 'string' ? Buffer.from(body) : body
  const known = lent.get(etag)
  // Whatever a tag was made from, nobody is sent another one's bytes.
  const isSame = known?.bytes instanceof Uint8Array && Buffer.compare(known.bytes, own) === 0
  return lend(isSame ? known : hold(etag, own.byteLength, () => own))
}

function hold(name: string, sizeBytes: number, read: () => Lent['bytes']): Lent {
  if (lentBytes + sizeBytes > MOST_BYTES)
    throw new DepotError('STORAGE_DOWN', 'too many large answers are on their way: try again later')
  const mine = { name, bytes: read(), sizeBytes, readers: 0 }
  lentBytes += sizeBytes
  if (!lent.has(name)) lent.set(name, mine)
  return mine
}

function lend(mine: Lent): MaybePromise<Source | undefined> {
  mine.readers++
  const { bytes, sizeBytes } = mine
  const read = (found: Uint8Array | undefined): Source | undefined => {
    // The headers have been made from the size that was promised.
    if (found?.byteLength === sizeBytes) return sourceOver(found, () => giveBack(mine))
    giveBack(mine)
    return undefined
  }
  if (!(bytes instanceof Promise)) return read(bytes)
  return bytes.then(read, (error: unknown) => {
    giveBack(mine)
    throw error
  })
}

function giveBack(mine: Lent): void {
  mine.readers--
  if (mine.readers > 0) return
  lentBytes -= mine.sizeBytes
  if (lent.get(mine.name) === mine) lent.delete(mine.name)
}

function sourceOver(bytes: Uint8Array, dispose: () => void): Source {
  let returned = false
  return {
    sizeBytes: bytes.byteLength,
    async *chunks({ start, end }) {
      for (let at = start; at < end; at += LIMITS.readBufferBytes)
        yield bytes.subarray(at, Math.min(at + LIMITS.readBufferBytes, end))
    },
    async [Symbol.asyncDispose]() {
      if (!returned) dispose()
      returned = true
    },
  }
}
