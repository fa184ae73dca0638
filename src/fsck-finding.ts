import type { BlobStores } from './blobs/blob-stores.ts'
import type { DepotError } from './errors.ts'

export type FindingKind =
  /** Storage has nothing where the row says there are bytes. */
  | 'blob-missing'
  /** Storage has another number of bytes than the row says. */
  | 'blob-size'
  /** The bytes do not have the hash they are known by. Only looked for with `full`. */
  | 'blob-corrupt'
  /** A record needs a blob that is not in service. */
  | 'reference-broken'
  /** Stored bytes that no row knows: left by a crash between storing and committing, harmless. */
  | 'orphan'
  /** Stored bytes of a blob that lies in another store by its row: sent to two servers at once, or again while its store was down. Harmless. */
  | 'duplicate'
  /** A store cannot be reached: nothing more is known of what lies there. */
  | 'store-down'

export interface Finding {
  readonly kind: FindingKind
  /** Whether something that should be readable is not. */
  readonly severity: 'error' | 'note'
  readonly subject: string
  readonly detail: string
  /** The store concerned, when the depot has several. */
  readonly store?: string
}

/** A store that does not answer. */
export function storeDown(store: string, { message }: DepotError): Finding {
  return { kind: 'store-down', severity: 'error', subject: store, detail: message, store }
}

/** One that answered before. */
export function wentDown(store: string, error: DepotError): Finding {
  return { ...storeDown(store, error), detail: `went down: what is left of it is not checked: ${error.message}` }
}

/** Tells the store with a finding where there are several. */
export function inStore({ all }: BlobStores, name: string): { readonly store?: string } {
  return all.length > 1 ? { store: name } : {}
}
