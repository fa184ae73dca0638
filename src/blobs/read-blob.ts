import { blobLocation } from './blob-location.ts'
import type { ByteRange, StoredBytes } from './blob-store.ts'
import type { BlobStores } from './blob-stores.ts'
import { decompressFrame, framesOf, type FramePosition } from '../codec/frames.ts'
import type { OpenBlob, Reads } from '../depot.ts'
import { DepotError } from '../errors.ts'
import type { Events } from '../events.ts'
import type { Source } from '../source.ts'
import type { BlobRow, KvStore } from '../kv-store.ts'
import { LIMITS } from '../limits.ts'

interface Ports {
  readonly blobs: Pick<BlobStores, 'open' | 'of'>
  readonly kv: Pick<KvStore, 'blob' | 'setBlobState'>
  readonly events: Events
}

/** See `Depot.open`. */
export async function openBlob(ports: Ports, row: BlobRow, reads?: Reads): Promise<OpenBlob> {
  const stored = await openWhole(ports, row, reads && storedPart(row, reads))
  const dispose = () => stored[Symbol.asyncDispose]()
  const asStored = (): Source => ({
    sizeBytes: row.storedBytes,
    stored,
    chunks: (range) => storedChunks(stored, range),
    [Symbol.asyncDispose]: dispose,
  })
  const decoded = (): Source => ({
    sizeBytes: row.sizeBytes,
    chunks: (range) => decodedChunks(ports, row, stored, range),
    [Symbol.asyncDispose]: dispose,
  })
  return { row, stored: asStored, content: row.encoding === 'raw' ? asStored : decoded, [Symbol.asyncDispose]: dispose }
}

/**
 * The stored bytes, as many as the row promises. A store whose answers contradict one another says nothing about the blob.
 *
 * @throws DepotError `NOT_FOUND` when there is another number of them, `STORAGE_DOWN` when its store gives others than it has.
 */
async function openWhole(ports: Ports, row: BlobRow, part: ByteRange | undefined): Promise<StoredBytes> {
  const { blobs, events } = ports
  for (let opened = 1; ; opened++) {
    const stored = await blobs.open(row, part)
    const { sizeBytes } = stored
    if (sizeBytes === row.storedBytes) return stored
    await stored[Symbol.asyncDispose]()
    const reason = `${sizeBytes} bytes stored where ${row.storedBytes} belong`
    const told = await sizeOf(ports, row)
    if (told === sizeBytes) {
      await quarantine(ports, row, reason, async (now) => (await sizeOf(ports, now)) === now.storedBytes)
      throw new DepotError('NOT_FOUND', 'not found')
    }
    if (opened < OPENED_MAX) continue
    const has = told === undefined ? 'nothing' : `${told} bytes`
    events.blobMisread(row, `its store gives ${sizeBytes} of ${row.storedBytes} bytes, and says that it has ${has}`)
    throw new DepotError('STORAGE_DOWN', 'the blob store gives other bytes than it has: try again later')
  }
}

/** What was wrong with one answer is seldom wrong with the next. */
const OPENED_MAX = 2

/** What its store says without being read; undefined when it has nothing. */
async function sizeOf({ blobs }: Ports, row: BlobRow): Promise<number | undefined> {
  return (await blobs.of(row).stat(blobLocation(row.domain, row.digest)))?.sizeBytes
}

/** The stored bytes that hold what will be read; undefined for all of them. */
function storedPart(row: BlobRow, { of, range }: Reads): ByteRange | undefined {
  if (range.start >= range.end) return { start: 0, end: 0 }
  const isRaw = of === 'stored' || row.encoding === 'raw'
  if (range.start === 0 && range.end >= (isRaw ? row.storedBytes : row.sizeBytes)) return undefined
  if (isRaw) return range
  const frames = [...framesOf(row.frames, row.sizeBytes, range.start, range.end)]
  const [first, last] = [frames[0], frames.at(-1)]
  return first && last && { start: first.storedStart, end: last.storedEnd }
}

/**
 * Take a blob out of service, and back into it when it is good by now: whoever sent it again meanwhile has been told that it is stored, and
 * its row may say the same as before.
 *
 * @param isGood looks at what is stored now
 */
async function quarantine(
  { kv, events }: Ports,
  row: BlobRow,
  reason: string,
  isGood: (now: BlobRow) => Promise<boolean>,
): Promise<void> {
  const { domain, digest } = row
  events.blobQuarantined(row, reason)
  await kv.setBlobState(domain, digest, 'quarantined')
  const now = await kv.blob(domain, digest)
  if (now?.state !== 'quarantined') return
  if (now.storedSha256 !== row.storedSha256 || (await isGood(now))) await kv.setBlobState(domain, digest, 'live')
}

/** Stored bytes in pieces; one buffer serves them all. */
async function* storedChunks(stored: StoredBytes, { start, end }: ByteRange): AsyncGenerator<Uint8Array> {
  const buffer = new Uint8Array(Math.min(LIMITS.readBufferBytes, end - start))
  for (let offset = start; offset < end;) {
    const length = await stored.read(buffer.subarray(0, Math.min(buffer.byteLength, end - offset)), offset)
    if (length === 0) throw new Error(`storage ended at ${offset} of ${end} bytes`)
    yield buffer.subarray(0, length)
    offset += length
  }
}

/** Content of the frames that cover the range, the next one being decoded while the last one is sent. */
async function* decodedChunks(
  ports: Ports,
  row: BlobRow,
  stored: StoredBytes,
  range: ByteRange,
): AsyncGenerator<Uint8Array> {
  const decode = async (position: FramePosition): Promise<Uint8Array> => {
    const sizeBytes = position.contentEnd - position.contentStart
    const content = await decompressFrame(await readFrame(stored, position), sizeBytes).catch(() =>
      decodeAgain(ports, row, position),
    )
    return content.subarray(Math.max(range.start - position.contentStart, 0), range.end - position.contentStart)
  }
  let ahead: Promise<Uint8Array> | undefined
  for (const position of framesOf(row.frames, row.sizeBytes, range.start, range.end)) {
    const current = ahead
    ahead = decode(position)
    ahead.catch(() => {})
    if (current !== undefined) yield await current
  }
  if (ahead !== undefined) yield await ahead
}

/** A frame that could not be decoded, asked for anew: it may have been spoiled on its way. */
async function decodeAgain(ports: Ports, row: BlobRow, position: FramePosition): Promise<Uint8Array> {
  // That bytes cannot be read now says nothing about them; that they cannot be decoded does.
  const frame = await openFrame(ports, row, position)
  try {
    return await decompressFrame(frame, position.contentEnd - position.contentStart)
  } catch (error) {
    await quarantine(ports, row, `a frame cannot be decoded: ${String(error)}`, async (now) =>
      isDecoded(await openFrame(ports, now, position), position),
    )
    throw error
  }
}

async function openFrame({ blobs }: Ports, row: BlobRow, position: FramePosition): Promise<Uint8Array> {
  await using stored = await blobs.open(row, { start: position.storedStart, end: position.storedEnd })
  return await readFrame(stored, position)
}

async function isDecoded(frame: Uint8Array, { contentStart, contentEnd }: FramePosition): Promise<boolean> {
  return decompressFrame(frame, contentEnd - contentStart).then(
    () => true,
    () => false,
  )
}

async function readFrame(stored: StoredBytes, position: FramePosition): Promise<Uint8Array> {
  const frame = new Uint8Array(position.storedEnd - position.storedStart)
  for (let filled = 0; filled < frame.byteLength;) {
    const length = await stored.read(frame.subarray(filled), position.storedStart + filled)
    if (length === 0) throw new Error('storage ended inside a frame')
    filled += length
  }
  return frame
}
