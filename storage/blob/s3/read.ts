import { Readable } from 'node:stream'

import { GetObjectCommand, type GetObjectCommandOutput } from '@aws-sdk/client-s3'

import type { BlobLocation, ByteRange, StoredBytes } from '../../../src/blobs/blob-store.ts'
import { DepotError } from '../../../src/errors.ts'
import { LIMITS } from '../../../src/limits.ts'
import { asked } from './ask.ts'
import { bodyOf, type Body } from './body.ts'
import { objectAt, type Bucket } from './bucket.ts'
import { BodyCut, isMissingObject, s3Error, statusOf } from './errors.ts'
import { headObject } from './stat.ts'

/**
 * Open an object: one GET, of which `expected` is read in order, whatever becomes of the object meanwhile. Reads elsewhere, and those behind
 * a body that was cut, are GETs of the very same object.
 *
 * @throws DepotError `NOT_FOUND`, `STORAGE_DOWN`
 */
export async function openObject(
  bucket: Bucket,
  location: BlobLocation,
  expected: Partial<ByteRange> = {},
): Promise<StoredBytes> {
  const stop = new AbortController()
  if (expected.start !== undefined && expected.start === expected.end) {
    const head = await headObject(bucket, location)
    if (head === undefined) throw new DepotError('NOT_FOUND', 'not found')
    return objectReader({ bucket, location, stop, expected: {} }, { start: 0, end: 0, ...head })
  }
  const first = await getFirst(bucket, location, expected, stop.signal).catch((error: unknown) => {
    throw isMissingObject(error) ? new DepotError('NOT_FOUND', 'not found') : s3Error(error, bucket.options)
  })
  const run = first.end - first.start
  if (run > LIMITS.readBufferBytes) return objectReader({ bucket, location, stop, expected }, first)
  // It fits into memory: nobody needs to hold a connection for it.
  const bytes = new Uint8Array(run)
  const filled = await first.body.read(bytes).catch(() => -1)
  first.body.release(filled === run)
  const { body: _body, ...extent } = first
  return objectReader({ bucket, location, stop, expected }, filled === run ? { ...extent, bytes } : extent)
}

/** What is known of an object, and a part of it. */
interface Extent {
  readonly start: number
  readonly end: number
  /** Of the whole object. */
  readonly sizeBytes: number
  readonly etag: string | undefined
}

interface Opened extends Extent {
  readonly body: Body
}

interface ReaderOptions {
  readonly bucket: Bucket
  readonly location: BlobLocation
  readonly stop: AbortController
  readonly expected: Partial<ByteRange>
}

/** `first`: a body that is being read, or `bytes` that were, or neither. */
function objectReader(
  { bucket, location, stop, expected }: ReaderOptions,
  first: Opened | (Extent & { readonly bytes?: Uint8Array }),
): StoredBytes {
  const { sizeBytes, etag } = first
  const bytes = 'bytes' in first ? first.bytes : undefined
  let current: Opened | undefined = 'body' in first ? first : undefined
  let position = first.start
  let turn: Promise<unknown> = Promise.resolve()

  function letGo(): void {
    current?.body.release(position === current.end)
    current = undefined
  }

  /** A body that is at `offset`. */
  async function bodyAt(offset: number): Promise<Body> {
    const ahead = offset - position
    if (current !== undefined && ahead >= 0 && ahead <= LIMITS.s3SkipBytesMax && offset < current.end) {
      await current.body.skip(ahead)
      position = offset
      return current.body
    }
    letGo()
    const end = expected.end !== undefined && offset < expected.end ? expected.end : sizeBytes
    current = await get(bucket, location, { start: offset, end }, { stop: stop.signal, etag })
    // Closed while the answer was on its way through here, when there was nothing to let go of yet.
    if (stop.signal.aborted) throw CLOSED
    position = current.start
    if (current.start !== offset || current.sizeBytes !== sizeBytes)
      throw new BodyCut('another part than was asked for')
    return current.body
  }

  async function readOnce(target: Uint8Array, offset: number): Promise<number> {
    if (stop.signal.aborted) throw CLOSED
    const body = await bodyAt(offset)
    const wanted = Math.min(target.byteLength, (current?.end ?? sizeBytes) - offset)
    const count = await body.read(target.subarray(0, wanted))
    position += count
    if (count < wanted) throw new BodyCut('the body ended early')
    if (position === current?.end) letGo()
    return count
  }

  async function readAt(target: Uint8Array, offset: number): Promise<number> {
    const wanted = Math.min(target.byteLength, sizeBytes - offset)
    let failures = 0
    for (let filled = 0; filled < wanted;) {
      try {
        filled += await readOnce(target.subarray(filled, wanted), offset + filled)
      } catch (error) {
        current?.body.release(false)
        current = undefined
        // A connection may break: the rest is asked for anew. What S3 itself refuses it refuses again.
        if (stop.signal.aborted || statusOf(error) !== undefined || ++failures > LIMITS.s3ResumesMax)
          throw s3Error(error, bucket.options)
      }
    }
    return Math.max(wanted, 0)
  }

  return {
    sizeBytes,
    read(target, offset) {
      const kept = bytes && keptPart(bytes, first.start, offset, Math.min(target.byteLength, sizeBytes - offset))
      if (kept !== undefined) {
        target.set(kept)
        return Promise.resolve(kept.byteLength)
      }
      const result = turn.then(() => readAt(target, offset))
      turn = result.catch(() => {})
      return result
    },
    async [Symbol.asyncDispose]() {
      stop.abort()
      letGo()
    },
  }
}

const CLOSED = new Error('these bytes are closed already')

function keptPart(bytes: Uint8Array, start: number, offset: number, length: number): Uint8Array | undefined {
  if (length <= 0) return bytes.subarray(0, 0)
  const from = offset - start
  return from >= 0 && from + length <= bytes.byteLength ? bytes.subarray(from, from + length) : undefined
}

async function getFirst(
  bucket: Bucket,
  location: BlobLocation,
  { start = 0, end }: Partial<ByteRange>,
  stop: AbortSignal,
): Promise<Opened> {
  if (start === 0 && end === undefined) return get(bucket, location, undefined, { stop })
  try {
    return await get(bucket, location, { start, end }, { stop })
  } catch (error) {
    // Shorter than was thought, and how short is what the caller must hear.
    if (statusOf(error) === 416) return get(bucket, location, undefined, { stop })
    throw error
  }
}

async function get(
  bucket: Bucket,
  location: BlobLocation,
  range: { readonly start: number; readonly end: number | undefined } | undefined,
  { stop, etag }: { readonly stop: AbortSignal; readonly etag?: string | undefined },
): Promise<Opened> {
  const command = new GetObjectCommand({
    ...objectAt(bucket, location),
    ...(range === undefined ? {} : { Range: `bytes=${range.start}-${range.end === undefined ? '' : range.end - 1}` }),
    ...(etag === undefined ? {} : { IfMatch: etag }),
  })
  const { stallMs, besideMs } = bucket.times
  const answer = await asked((sending) => bucket.clients.bodies.send(command, sending), { besideMs, stop })
  if (!(answer.Body instanceof Readable)) throw new BodyCut('an answer without a body')
  const extent = extentOf(answer)
  if (extent !== undefined && answer.ETag !== undefined)
    return { ...extent, etag: answer.ETag, body: bodyOf(answer.Body, extent.end - extent.start, stallMs) }
  answer.Body.destroy()
  throw new BodyCut('an answer that does not say what it is a part of')
}

const CONTENT_RANGE = /^bytes (?<first>\d+)-(?<last>\d+)\/(?<size>\d+)$/

/**
 * What part of the object an answer has; undefined where it does not say so, as S3 always does: it comes from something on the way then,
 * and must not be taken for an object of another size.
 */
function extentOf({
  ContentLength,
  ContentRange,
}: GetObjectCommandOutput): Pick<Opened, 'start' | 'end' | 'sizeBytes'> | undefined {
  if (ContentLength === undefined) return undefined
  if (ContentRange === undefined) return { start: 0, end: ContentLength, sizeBytes: ContentLength }
  const { first, last, size } = CONTENT_RANGE.exec(ContentRange)?.groups ?? {}
  const [start, end, sizeBytes] = [Number(first), Number(last) + 1, Number(size)]
  return end <= sizeBytes && end - start === ContentLength ? { start, end, sizeBytes } : undefined
}
