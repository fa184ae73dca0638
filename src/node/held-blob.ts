import type { BundledBlob } from '../bundle/layout.ts'
import { held } from '../bundle/write-tar.ts'
import { DepotError, hasCode } from '../errors.ts'

/** What is small is held in memory while it is used, and cannot change any more. */
const IN_MEMORY_BYTES_MAX = 1 << 20

export interface WhereItLies {
  pieces(): AsyncIterable<Uint8Array>
  /** The file, or a part of it: reading this fails once the file has changed. */
  open(): Promise<Blob>
}

/**
 * The bytes of a blob that were verified before, maybe long before: they are read again, so that nobody gets others who swapped them
 * meanwhile.
 *
 * @throws DepotError `CONTENT_MISMATCH` when they are no longer those of this blob
 */
export async function heldBlob(blob: BundledBlob, { pieces, open }: WhereItLies): Promise<Blob> {
  try {
    if (blob.sizeBytes <= IN_MEMORY_BYTES_MAX) {
      // A piece is good until the next is asked for.
      const read = await Array.fromAsync(held(blob, pieces()), (piece) => Buffer.from(piece))
      return new Blob(read)
    }
    const opened = await open()
    for await (const _ of held(blob, pieces()));
    return opened
  } catch (error) {
    if (!hasCode(error, 'CONTENT_MISMATCH') && !hasCode(error, 'NOT_FOUND')) throw error
    throw new DepotError('CONTENT_MISMATCH', `it was changed after it had been verified: ${error.message}`, {
      cause: error,
    })
  }
}
