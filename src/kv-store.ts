/** Versioned metadata at (cache, kind, key). */
export interface KvRecord {
  readonly key: string
  /** JSON text; the protocol that wrote it parses it by schema. */
  readonly value: string
  /** Counts up from 1 with every put. */
  readonly version: number
}

export interface RecordPut {
  readonly kind: string
  /** At most 1 KiB of UTF-8, compared by bytes, case-sensitive. */
  readonly key: string
  readonly value: string
  /** The version that must be there; 0 = must not exist; absent = whatever is there. */
  readonly expected?: number
  /** sha256 (hex) of every blob the record needs, replacing what it referred to before. Each must be live or in `blobs`. */
  readonly refs?: readonly string[]
}

export interface RecordDelete {
  readonly kind: string
  readonly key: string
  readonly expected?: number
}

export type BlobState = 'live' | 'deleting' | 'quarantined'

/** What is known of stored bytes, keyed by (domain, digest). */
export interface BlobRow {
  /** Physical separation: a storage prefix of its own; nothing is shared between two domains. */
  readonly domain: string
  /** sha256 of the content, before encoding, as 64 hex digits. */
  readonly digest: string
  readonly sizeBytes: number
  readonly encoding: 'raw' | 'zstd'
  readonly storedBytes: number
  /** sha256 of the bytes as stored, as hex: what Nix calls FileHash. */
  readonly storedSha256: string
  /** How the content is cut: `frames` for zstd (see codec/frames.ts), `whole` for raw. */
  readonly layout: 'whole' | 'frames'
  /** Stored length of each frame, packed (codec/frames.ts); empty for a raw blob. */
  readonly frames: Uint8Array
  readonly state: BlobState
  /** Name of the store in which it lies; empty for what was stored before stores had names (see `BlobStores`). */
  readonly store: string
}

/** A row to commit: what was just published, or what was found to be there already. */
export interface BlobPut extends BlobRow {
  /** Read from the database and not written anew: a commit leaves the row as it is by then, and live. It may have been moved meanwhile. */
  readonly held?: true
  /**
   * Just published: the store of the row that was there before, null when there was none. A row that by the time of the commit says that the
   * same bytes lie somewhere else is right, and what was published may be gone again: its blob was moved meanwhile. When absent, the row
   * says where the bytes lie, whatever was there.
   */
  readonly seenIn?: string | null
}

/** Where the bytes of a blob lie, and how many they are. */
export type BlobPlace = Pick<BlobRow, 'domain' | 'digest' | 'store' | 'storedBytes'>

/**
 * Names a rendered answer. It belongs to the record (cache, kind, key): putting or deleting that record drops it, and so does a blob of
 * that record when it goes out of service, comes back, or is stored in another way.
 */
export interface DocumentKey {
  readonly cache: number
  readonly kind: string
  readonly key: string
  /** Representation: 'narinfo', 'full', 'abbreviated', 'html', … with a content coding where one is applied: 'full+gzip'. */
  readonly variant: string
  /** Public URL that the rendering contains, or empty when it contains none. */
  readonly origin: string
}

export interface Document {
  /** Text, or bytes when `encoding` is set. */
  readonly body: string | Uint8Array
  /** Strong entity tag with its quotes, made from the bytes. Stores keep bodies by it: at one key, the same tag means the same body. */
  readonly etag: string
  /** Content-Encoding, or empty. */
  readonly encoding: '' | 'gzip' | 'zstd'
}

/** A document as the store gives it out: the body of a large one stays there until somebody is to be sent it. */
export interface StoredDocument extends Omit<Document, 'body'> {
  readonly body: Document['body'] | LargeBody
}

/** A body of more than `LIMITS.documentInlineBytesMax`, as bytes. */
export interface LargeBody {
  /** The same for the same bytes of the same document, and for nothing else. */
  readonly name: string
  readonly sizeBytes: number
  /** Undefined when the document has gone or is another one by now. */
  read(): MaybePromise<Uint8Array | undefined>
}

export interface DocumentPut extends DocumentKey, Document {
  /** Version of the record that was rendered: when it has moved on, the document is dropped in silence. */
  readonly sourceVersion: number
}

export interface AuditEntry {
  readonly principal: string
  /** What was done: `nix:write`, `npm:delete`. */
  readonly action: string
  readonly resource: string
  /** Digest of the bytes concerned, or empty. */
  readonly digest: string
  /** Remote address, or empty. */
  readonly address: string
  /** What the client called itself, or empty. */
  readonly userAgent: string
  /** The `jti` of a login or the id of a stored token; empty for a caller without credentials. */
  readonly credential: string
  readonly result: 'done' | 'denied'
}

/** A line of the audit log as it is kept: numbered without gaps, and tied to the line before it (audit-chain.ts). */
export interface AuditRow extends AuditEntry {
  /** Counts up from 1. */
  readonly seq: number
  /** Milliseconds since 1970, by the clock of whoever wrote the line: PostgreSQL, or the process that has the SQLite file. */
  readonly at: number
  readonly cache: number
  /** sha256 as 64 hex digits; empty for lines that are older than the chain. */
  readonly hash: string
}

/** A record by its name. */
export interface RecordName {
  readonly kind: string
  readonly key: string
}

/** One atomic change: all of it or none. */
export interface Commit {
  readonly cache: number
  /**
   * Records that must be there before the change, at whatever version: what it puts depends on them. Nobody deletes one of them while the
   * change is made, and any number of changes may depend on the same one.
   */
  readonly present?: readonly RecordName[]
  /**
   * Kinds and beginnings of keys (the last character ASCII) under which no record may stand after the change, its own puts and deletes
   * counted. A record whose put depends by `present` on one that this change deletes either comes first, and is seen here, or not at all.
   */
  readonly absent?: readonly { readonly kind: string; readonly prefix: string }[]
  readonly puts?: readonly RecordPut[]
  readonly deletes?: readonly RecordDelete[]
  /** Rows of blobs that were just published; one that exists is replaced and live again. */
  readonly blobs?: readonly BlobPut[]
  readonly documents?: readonly DocumentPut[]
  readonly audit?: readonly AuditEntry[]
}

export interface Cache {
  readonly id: number
  readonly name: string
  readonly domain: string
}

export interface Reference {
  readonly cache: number
  readonly kind: string
  readonly key: string
  readonly domain: string
  readonly digest: string
}

export interface ListOptions {
  /** First key, inclusive. */
  readonly from: string
  /** First key that is not listed any more; absent = to the end of the kind. */
  readonly to?: string
  /** Continue behind this key. */
  readonly after?: string
  /** At most this many records, 1 to 10,000. */
  readonly limit: number
}

/** What one process has for itself. */
export interface Held extends AsyncDisposable {
  /** Aborted when it may be somebody else's by now, because the database was lost: stop, and `hold` it anew. */
  readonly lost: AbortSignal
}

export type MaybePromise<T> = T | Promise<T>

/**
 * Names and small facts, in a database. Whole operations only: there is no transaction callback and no read inside a
 * commit. What a resolved `commit` wrote is seen by every read that starts afterwards.
 *
 * Every method throws (or rejects with) DepotError `STORAGE_DOWN` (503) when the database cannot be reached and
 * `STORAGE_FULL` (507) when its disk is full.
 */
export interface KvStore extends AsyncDisposable {
  /** The cache of that name, or undefined. `main` is always there, with id 1 and domain `main`; `SYSTEM_CACHE` is never found. */
  cache(name: string): MaybePromise<Cache | undefined>
  get(cache: number, kind: string, key: string): MaybePromise<KvRecord | undefined>
  /**
   * Those of `keys`, at most `LIMITS.lookupKeysMax`, under which a record of this kind stands whose blobs are all live: what can be had,
   * where `Commit.present` asks only for the record. In any order, each once.
   */
  present(cache: number, kind: string, keys: readonly string[]): MaybePromise<readonly string[]>
  /** Records of one kind in ascending byte order of their keys. */
  list(cache: number, kind: string, options: ListOptions): MaybePromise<readonly KvRecord[]>
  /**
   * The live blob with this digest, if a record of this cache whose kind starts with `kindPrefix` (the last character ASCII) refers to
   * it: how a blob is read without giving away what other caches hold.
   */
  blobOf(cache: number, kindPrefix: string, digest: string): MaybePromise<BlobRow | undefined>
  /**
   * The records of this cache whose kind starts with `kindPrefix` (the last character ASCII) and that refer to the blob, whatever its
   * state, in ascending order of kind and key, at most `limit`, 1 to 10,000.
   */
  holders(cache: number, kindPrefix: string, digest: string, limit: number): MaybePromise<readonly RecordName[]>
  /** The blob row, whatever its state and whoever refers to it. For writers and fsck, never for answers. */
  blob(domain: string, digest: string): MaybePromise<BlobRow | undefined>
  /** One row read; the hot path of every metadata GET. Only a `LargeBody` costs another one, when it is wanted. */
  document(key: DocumentKey): MaybePromise<StoredDocument | undefined>
  /**
   * Apply the whole change durably, or nothing of it: a change whose audit lines cannot be written is not made.
   *
   * @throws DepotError `WRITE_CONFLICT` when an expected version does not match, when `present` or `absent` does not hold, or a reference names a
   * blob that is not live; `INVALID_NAME` and `BAD_REQUEST` for what one of the databases could not hold as it is.
   */
  commit(commit: Commit): Promise<void>
  /** Take a blob out of service, or back into it. */
  setBlobState(domain: string, digest: string, state: BlobState): Promise<void>
  /**
   * Say that a blob lies in another store, where the same bytes have been published.
   *
   * @throws DepotError `WRITE_CONFLICT` when it is not live any more, lies elsewhere by now, or is stored as other bytes.
   */
  moveBlob(from: Pick<BlobRow, 'domain' | 'digest' | 'store' | 'storedSha256'>, store: string): Promise<void>
  /** Blob rows in order of (domain, digest), behind `after`, at most `limit`, 1 to 10,000. */
  blobs(
    after: { readonly domain: string; readonly digest: string } | undefined,
    limit: number,
  ): MaybePromise<readonly BlobRow[]>
  /** Their places alone, whatever their state: for sums and walks over all of them. In order, behind `after`, at most `limit`. */
  blobPlaces(
    after: { readonly domain: string; readonly digest: string } | undefined,
    limit: number,
  ): MaybePromise<readonly BlobPlace[]>
  /** The names of stores that stand in rows, without the empty one, and how many rows each. Cheap while there are none. */
  storesNamed(): MaybePromise<readonly { readonly store: string; readonly blobs: number }[]>
  /** References in a stable order, behind `after`, at most `limit`, 1 to 10,000. */
  references(after: Reference | undefined, limit: number): MaybePromise<readonly Reference[]>
  /** The audit log behind line `after` (0 = from its beginning), oldest first, at most `limit`, 1 to 10,000. */
  audit(after: number, limit: number): MaybePromise<readonly AuditRow[]>
  /** Number of its last line; 0 when it has none. Whoever remembers it hears of every change that follows by reading on behind it. */
  auditHead(): MaybePromise<number>
  /**
   * Called for a request that was on its way before this turn of the event loop: the reads from here to the end of the turn may see one
   * state of the database, no older than the turn. What this process has committed is seen all the same.
   */
  readTogether?(): void
  /** What anybody has committed up to here is seen by every read from here on, in this turn too. */
  readAnew?(): void
  /**
   * Wait until no process that uses this database holds `name`, and hold it until it is given back: for work that is done in one place at a
   * time. Whoever vanishes without giving back has it taken away: at once when the process ends, within a minute when the machine does.
   * In SQLite, which one server has, only this process is asked.
   *
   * @throws the reason of `signal`
   */
  hold(name: string, signal: AbortSignal): Promise<Held>
  /**
   * Milliseconds since 1970 as all agree on who use this database, whatever the clocks of their machines say: what ends credentials goes by
   * it. Absent where they are one machine.
   */
  now?(): number
  /** Cheap proof that the database answers, for readiness. `STORAGE_FULL` where it answers, but refused a change a moment ago. */
  ping(): Promise<void>
}

/** The cache every URL without `/c/<cache>` means. */
export const MAIN_CACHE: Cache = { id: 1, name: 'main', domain: 'main' }

/** What belongs to the server and to no tenant: stored tokens, logins that were used. No URL leads to it. */
export const SYSTEM_CACHE: Cache = { id: 0, name: '-', domain: '-' }
