import { blobLocation } from './blob-location.ts'
import type { BlobStore, ByteRange, StoredBytes } from './blob-store.ts'
import type { BlobPut, BlobRow } from '../kv-store.ts'

/** A store by the name that rows have for it. */
export interface NamedStore {
  /** Empty for the one store of a depot that names none. */
  readonly name: string
  readonly blobs: BlobStore
}

/** What a row says of where its blob lies. */
export type Placed = Pick<BlobRow, 'domain' | 'digest' | 'store' | 'storedSha256'>

/**
 * The stores of a depot: chooses one for each new blob, and finds that of a blob by its row. A location is the same in each, so that a
 * blob is moved by moving bytes and changing one word of its row.
 */
export interface BlobStores extends AsyncDisposable {
  /** In the order of the configuration; at least one. */
  readonly all: readonly NamedStore[]
  /** The name, among `all`, of the store that a row means. */
  nameOf(row: Pick<BlobRow, 'store'>): string
  /**
   * The store of a row. At no cost: the hot path asks.
   *
   * @throws DepotError `STORAGE_DOWN` when the row names none of `all`, or one whose volume hangs
   */
  of(row: Pick<BlobRow, 'store'>): BlobStore
  /**
   * Open the bytes of a blob.
   *
   * @param expected see `BlobStore.open`
   * @throws DepotError `NOT_FOUND` when its store has nothing there, `STORAGE_DOWN` when its store cannot be reached.
   */
  open(row: Placed, expected?: Partial<ByteRange>): Promise<StoredBytes>
  /** Whether its store has it, as far as its size tells. One that cannot be reached has not, when there are others that take new blobs. */
  holds(row: BlobRow): Promise<boolean>
  /** Begin to write a new blob, in the store that is next. @throws DepotError `STORAGE_FULL`, `STORAGE_DOWN` when none takes it */
  stage(): Promise<PlacedBytes>
}

/** Bytes on their way into one of the stores; see `StagedBytes`. */
export interface PlacedBytes extends AsyncDisposable {
  write(bytes: Uint8Array): Promise<void>
  read(range: ByteRange): Promise<Uint8Array>
  /**
   * Make them readable as the blob of `row`.
   *
   * @param known what the database said of this blob before, when it said anything: what is there is then not good
   * @returns the row to commit, which says where they lie
   */
  publish(row: BlobRow, known: BlobRow | undefined): Promise<BlobPut>
}

/** The stores of a depot that has one, whose rows name none. */
export function oneStore(blobs: BlobStore): BlobStores {
  return {
    all: [{ name: '', blobs }],
    nameOf: () => '',
    of: () => blobs,
    open: ({ domain, digest }, expected) => blobs.open(blobLocation(domain, digest), expected),
    holds: async ({ domain, digest, storedBytes }) =>
      (await blobs.stat(blobLocation(domain, digest)))?.sizeBytes === storedBytes,
    async stage() {
      const staged = await blobs.stage()
      return {
        write: (bytes) => staged.write(bytes),
        read: (range) => staged.read(range),
        async publish(row) {
          await staged.publish(blobLocation(row.domain, row.digest))
          return row
        },
        [Symbol.asyncDispose]: () => staged[Symbol.asyncDispose](),
      }
    },
    [Symbol.asyncDispose]: () => blobs[Symbol.asyncDispose](),
  }
}
