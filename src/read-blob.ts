import type { BlobStore, ByteRange, StoredBytes } from './blob-store.ts'
import { blobLocation } from './blob-location.ts'
import { decompressFrame, framesOf, type FramePosition } from './codec/frames.ts'
import type { OpenBlob } from './depot.ts'
import { DepotError } from './errors.ts'
import type { Events } from './events.ts'
import type { Source } from './source.ts'
import type { BlobRow, KvStore } from './kv-store.ts'
import { LIMITS } from './limits.ts'

interface Ports {
  readonly blobs: Pick<BlobStore, 'open'>
  readonly kv: Pick<KvStore, 'setBlobState'>
  readonly events: Events
}

/** See `Depot.open`. */
export async function openBlob(ports: Ports, row: BlobRow): Promise<OpenBlob> {
  const stored = await ports.blobs.open(blobLocation(row.domain, row.digest))
  if (stored.sizeBytes !== row.storedBytes) {
    await stored[Symbol.asyncDispose]()
    await quarantine(ports, row, `${stored.sizeBytes} bytes stored where ${row.storedBytes} belong`)
    throw new DepotError('NOT_FOUND', 'not found')
  }
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

async function quarantine({ kv, events }: Ports, row: BlobRow, reason: string): Promise<void> {
  events.blobQuarantined(row, reason)
  await kv.setBlobState(row.domain, row.digest, 'quarantined')
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
    const content = await decodeFrame(stored, position).catch(async (error: unknown) => {
      await quarantine(ports, row, `a frame cannot be decoded: ${String(error)}`)
      throw error
    })
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

async function decodeFrame(stored: StoredBytes, position: FramePosition): Promise<Uint8Array> {
  const frame = new Uint8Array(position.storedEnd - position.storedStart)
  for (let filled = 0; filled < frame.byteLength;) {
    const length = await stored.read(frame.subarray(filled), position.storedStart + filled)
    if (length === 0) throw new Error('storage ended inside a frame')
    filled += length
  }
  return decompressFrame(frame, position.contentEnd - position.contentStart)
}
