import type { ByteRange } from './blobs/blob-store.ts'
import type { BlobStores } from './blobs/blob-stores.ts'
import type {
  BlobPut,
  BlobRow,
  Cache,
  Commit,
  Document,
  DocumentKey,
  KvRecord,
  KvStore,
  StoredDocument,
} from './kv-store.ts'
import type { Events } from './events.ts'
import type { UrlOf } from './redirects.ts'
import type { Source } from './source.ts'

/** Digest of a streamed body beside its sha256: a name of `node:crypto`, or an algorithm of one's own. */
export type HashName = 'sha1' | 'sha512' | 'md5'

/** An algorithm that `node:crypto` does not have. */
export interface Hasher {
  update(bytes: Uint8Array): unknown
  /** The digest as lower-case hex. */
  digestHex(): string
}

export interface StageOptions {
  /** `zstd`: stored as frames of 1 MiB content each; `raw`: as it comes, for what is compressed already. */
  readonly encoding: BlobRow['encoding']
  /** More content than this is refused with `TOO_LARGE`; `LIMITS.blobBytesMax` when absent. */
  readonly limitBytes?: number
  readonly hashes?: readonly HashName[]
  readonly hashers?: Readonly<Record<string, Hasher>>
  /** Sees every piece of content before it is written, in order; what it throws aborts the staging. The bytes may be reused after. */
  readonly inspect?: (bytes: Uint8Array) => MaybeVoid
  /** Pieces of content are the depot's own, each in memory of its own, which is freed as soon as it is written. */
  readonly freesContent?: boolean
}

type MaybeVoid = void | Promise<void>

/** A blob whose content has arrived whole and been hashed, and that nobody can see yet. Disposing it leaves no trace. */
export interface StagedBlob extends AsyncDisposable {
  /** sha256 of the content, hex. */
  readonly digest: string
  readonly sizeBytes: number
  /** The further digests that were asked for, hex, by name. */
  readonly hashes: ReadonlyMap<string, string>
  /** Read back content; only for `raw`. */
  read(range: ByteRange): Promise<Uint8Array>
  /**
   * Put the bytes into storage, durably, and return the row to commit. Only after that commit may anyone be told.
   * Content that is there already, whole, is not written again.
   */
  publish(): Promise<BlobPut>
}

/** What will be read of a blob. An empty range: nothing, the caller only wants to know that it is there. */
export interface Reads {
  readonly of: 'stored' | 'content'
  readonly range: ByteRange
}

/** A blob opened for reading; its size has been checked against its row. */
export interface OpenBlob extends AsyncDisposable {
  readonly row: BlobRow
  /** The bytes as stored: for a zstd blob, a valid `.zst` file. */
  stored(): Source
  /** The content, decoded frame by frame. */
  content(): Source
}

/** A fresh rendering and the version of the record it was made from. */
export interface Rendering extends Document {
  readonly sourceVersion: number
}

/** Bytes and names: what every protocol reads and writes. */
export interface Depot {
  readonly kv: KvStore
  readonly blobs: BlobStores
  readonly events: Events
  /**
   * Take in content: hashed, counted and encoded while it streams, into a place that nobody reads.
   *
   * @throws DepotError `TOO_LARGE`, `STORAGE_FULL`, `STORAGE_DOWN`, and whatever `content` or `inspect` throw.
   */
  stage(cache: Cache, content: AsyncIterable<Uint8Array>, options: StageOptions): Promise<StagedBlob>
  /**
   * Open a blob after checking its stored size. One of another size is taken out of service; a missing one is not, because a volume
   * that is not mounted must not condemn everything on it.
   *
   * @param reads all of it when absent; reading something else is only slower
   * @throws DepotError `NOT_FOUND`
   */
  open(row: BlobRow, reads?: Reads): Promise<OpenBlob>
  /** Where a reader fetches the stored bytes of a blob, when not here. */
  readonly urlOf: UrlOf
  get(cache: Cache, kind: string, key: string): Promise<KvRecord | undefined>
  /** Every record of a kind whose key starts with `prefix`, page by page. */
  all(cache: Cache, kind: string, prefix?: string): AsyncGenerator<KvRecord>
  /** The live blob of that digest, when a record of this cache whose kind starts with `kindPrefix` refers to it. */
  blobOf(cache: Cache, kindPrefix: string, digest: string): Promise<BlobRow | undefined>
  /** One atomic, durable change. @throws DepotError `WRITE_CONFLICT` */
  commit(cache: Cache, change: Omit<Commit, 'cache'>): Promise<void>
  /** Run `attempt` again, for some seconds, when another writer came first: for read, change, commit with `expected`. */
  retryConflicts<T>(attempt: () => Promise<T>): Promise<T>
  /**
   * A document: from its row, else rendered once however many ask for it, stored and returned.
   * `render` returns undefined when the record is not there.
   */
  document(key: DocumentKey, render: () => Promise<Rendering | undefined>): Promise<StoredDocument | undefined>
}
