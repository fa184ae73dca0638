import type { KvStore } from '../../src/kv-store.ts'

/** What a KvStore is asked, and what changes nothing. */
type Read =
  | 'cache'
  | 'get'
  | 'present'
  | 'list'
  | 'blobOf'
  | 'holders'
  | 'blob'
  | 'document'
  | 'blobs'
  | 'blobPlaces'
  | 'storesNamed'
  | 'references'
  | 'audit'
  | 'auditHead'

/** The reads of a KvStore that answers at once. */
export type ReadsAtOnce = {
  readonly [R in Read]: (...asked: Parameters<KvStore[R]>) => Exclude<ReturnType<KvStore[R]>, Promise<unknown>>
}

/** The reads of a KvStore over a network. */
export type ReadsLater = {
  readonly [R in Read]: (...asked: Parameters<KvStore[R]>) => Promise<Awaited<ReturnType<KvStore[R]>>>
}
