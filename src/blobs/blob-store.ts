/** Where stored bytes lie: `<domain>/sha256/ab/cd/<hex>`, a function of the digest alone and never of a URL. */
export type BlobLocation = `${string}/sha256/${string}/${string}/${string}`

/** Half-open byte range `[start, end)`. */
export interface ByteRange {
  readonly start: number
  readonly end: number
}

/**
 * Keeps stored bytes durably. A driver knows nothing of hashes, codecs or ecosystems: those live in `depot.ts`.
 *
 * Every method throws DepotError `STORAGE_DOWN` (503) when the store cannot be reached and `STORAGE_FULL` (507) when it
 * is full; `open` alone throws `NOT_FOUND`.
 */
export interface BlobStore extends AsyncDisposable {
  /** Begin to write bytes that nobody can read until they are published. */
  stage(): Promise<StagedBytes>
  /**
   * Open what was published at `location`, for as long as the caller needs it, whatever is deleted meanwhile.
   *
   * @param expected what will be read, in order, and nothing where only the size is wanted: a store over a network begins with that. Other
   * reads are slower, and no less right; of what is large they may fail once it was deleted
   * @throws DepotError `NOT_FOUND` when nothing is there.
   */
  open(location: BlobLocation, expected?: Partial<ByteRange>): Promise<StoredBytes>
  /**
   * Read a small blob whole in one synchronous call, or undefined when this store cannot, nothing is there, or it has not
   * exactly `sizeBytes`: the caller then takes the slow way, which tells these apart.
   */
  readInline?(location: BlobLocation, sizeBytes: number): Uint8Array | undefined
  /** Stored size in bytes, or undefined when nothing is there. */
  stat(location: BlobLocation): Promise<{ readonly sizeBytes: number } | undefined>
  /** Remove it; removing what is not there changes nothing. */
  delete(location: BlobLocation): Promise<void>
  /** Locations that start with `prefix`, in ascending order, beginning behind `after`. */
  list(prefix: string, after?: BlobLocation): AsyncIterable<BlobLocation>
  /**
   * A URL at which anybody can read the blob for a while, from the store itself and with no other credentials. It does not tell whether
   * the blob is there. Absent where nobody but this process reaches the bytes.
   */
  readonly url?: ((location: BlobLocation, options: BlobUrlOptions) => Promise<string>) | undefined
  /** Cheap proof that the store answers and may be written to, for readiness; it leaves nothing there. Throws `STORAGE_DOWN`. */
  ping?(): Promise<void>
  /** Room on its volume; undefined where nobody can tell. */
  space?(): Promise<Space | undefined>
}

/** A volume, in bytes. */
export interface Space {
  readonly freeBytes: number
  readonly sizeBytes: number
}

export interface BlobUrlOptions {
  /** How long the URL is good; a read that began before goes on. */
  readonly expiresSeconds: number
  /** What the answer says of the bytes. */
  readonly headers?: {
    readonly contentType?: string
    readonly cacheControl?: string
    readonly contentDisposition?: string
  }
}

/** Bytes on their way in: invisible until `publish`, gone without a trace when disposed before. */
export interface StagedBytes extends AsyncDisposable {
  /** Append; the caller may reuse `bytes` once the promise resolves. One call at a time. */
  write(bytes: Uint8Array): Promise<void>
  /**
   * Read back what was written so far: archives keep their directory at the end. Where a store can, also after a write or `publish` that met
   * a full or failing disk: what was written before goes on elsewhere then.
   */
  read(range: ByteRange): Promise<Uint8Array>
  /**
   * Make what was written readable at `location`, durably and at once; a reader sees nothing or everything. What was there
   * is replaced, readers that have it open keep it. Nothing can be written afterwards.
   */
  publish(location: BlobLocation): Promise<void>
}

/** An opened blob: stored bytes, before any decoding. */
export interface StoredBytes extends AsyncDisposable {
  readonly sizeBytes: number
  /**
   * Fill `target` from `offset` on and return how many bytes were read: fewer only at the end of the blob. Reading may
   * go on side by side.
   */
  read(target: Uint8Array, offset: number): Promise<number>
}
