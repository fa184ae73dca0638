import type { ByteRange } from '../../src/blobs/blob-store.ts'
import { brokenArchive } from './archive-error.ts'

/** Bytes that can be read from any place: a staged blob. */
export interface ByteSource {
  readonly sizeBytes: number
  read(range: ByteRange): Promise<Uint8Array>
}

/** A part of it. @throws DepotError `CONTENT_MISMATCH` (400) when that is not inside */
export async function view(source: ByteSource, start: number, end: number): Promise<DataView> {
  if (!(start >= 0 && end >= start && end <= source.sizeBytes))
    throw brokenArchive('the zip file points outside of itself')
  const bytes = await source.read({ start, end })
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}

/** Above 2^53 nothing in a file can lie: such a value then fails the bounds check. */
export function uint64(bytes: DataView, at: number): number {
  return Number(bytes.getBigUint64(at, true))
}
