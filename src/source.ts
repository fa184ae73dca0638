import type { ByteRange, StoredBytes } from './blobs/blob-store.ts'

/** Bytes of a known length that can be read from any place: what a response body is made of. */
export interface Source extends AsyncDisposable {
  readonly sizeBytes: number
  /** The bytes of `range`, in order. A piece is valid until the next one is asked for. */
  chunks(range: ByteRange): AsyncIterable<Uint8Array>
  /** Set when the bytes lie in storage as they are: the server then reads them into its own buffers. */
  readonly stored?: StoredBytes
}

/** Close what was only read. What closing has to say is of no use to anybody, and nobody who waits for nothing must be ended by it. */
export async function closeQuietly(opened: AsyncDisposable): Promise<void> {
  try {
    await opened[Symbol.asyncDispose]()
  } catch {
    // Every byte that was wanted has been read, or its reader has left.
  }
}
