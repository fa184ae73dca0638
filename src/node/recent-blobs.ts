import { blobLocation } from '../blobs/blob-location.ts'
import type { BlobStores } from '../blobs/blob-stores.ts'
import type { BlobRow } from '../kv-store.ts'
import { LIMITS } from '../limits.ts'
import { createRecent } from '../recent.ts'
import { shareOf } from '../worker-share.ts'

/**
 * The stored bytes of a small blob whose row was just read, or undefined when it is larger or cannot be read at once. A text has a
 * character for each byte. Bytes of the last ones are kept by their own hash, so they need no check beyond the row.
 */
export function readSmallBlob(blobs: Pick<BlobStores, 'of'>, row: BlobRow): string | Uint8Array | undefined {
  if (row.storedBytes > LIMITS.inlineReadBytesMax) return undefined
  const known = recent.get(row.storedSha256)
  if (known !== undefined) return known
  const bytes = blobs.of(row).readInline?.(blobLocation(row.domain, row.digest), row.storedBytes)
  if (bytes === undefined) return undefined
  const body = asOneCall(bytes)
  recent.put(row.storedSha256, body)
  return body
}

const recent = createRecent<string | Uint8Array>(shareOf(LIMITS.recentBlobBytesMax))

/** Node sends head and body in one call when the body is a text and both fit into its buffer of 16 KiB; longer bytes it takes as they are. */
const ONE_CALL_BYTES_MAX = 15 * 1024

/** Bytes as Node sends them soonest: a text with a character for each, while they are few. */
export function asOneCall(bytes: Uint8Array): string | Uint8Array {
  if (bytes.byteLength > ONE_CALL_BYTES_MAX) return bytes
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1')
}
