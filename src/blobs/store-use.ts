import type { BlobPlace, KvStore } from '../kv-store.ts'
import { LIMITS } from '../limits.ts'
import { pages } from '../pages.ts'
import { withinMs } from '../within.ts'

/** How many bytes lie in each store, about: counted from the database, kept while blobs come, counted anew now and then. */
export interface StoreUse extends Disposable {
  bytes(store: string): number
  /** More lie there, or fewer. */
  add(store: string, bytes: number): void
}

export interface StoreTotal {
  readonly blobs: number
  readonly bytes: number
}

/** For whoever does not choose by it. */
export const USE_UNKNOWN: StoreUse = { bytes: () => 0, add: () => {}, [Symbol.dispose]: () => {} }

/**
 * Count, and go on counting now and then. A database too large to be counted within `LIMITS.storeUseWaitMs` is not waited for: until it is
 * counted, only what has come since counts.
 *
 * @param nameOf the store that a row means
 * @param failed told when the database could not be asked; the next round asks again
 */
export async function watchStoreUse(
  kv: Pick<KvStore, 'blobPlaces'>,
  nameOf: (row: { readonly store: string }) => string,
  failed: (error: unknown) => void,
): Promise<StoreUse> {
  const counted = new Map<string, number>()
  /** What came while it was being counted: some of it twice then, until the next time. */
  let meanwhile = new Map<string, number>()
  let isOpen = true
  let isCounting = false

  async function count(): Promise<void> {
    if (isCounting) return
    isCounting = true
    meanwhile = new Map()
    try {
      const totals = await storeTotals(kv, nameOf, () => isOpen)
      counted.clear()
      for (const [name, { bytes }] of totals) counted.set(name, bytes)
      for (const [name, bytes] of meanwhile) addTo(counted, name, bytes)
    } catch (error) {
      if (isOpen) failed(error)
    } finally {
      isCounting = false
    }
  }

  const timer = setInterval(() => void count(), LIMITS.storeUseCountedMs)
  timer.unref()
  await withinMs(count(), LIMITS.storeUseWaitMs)
  return {
    bytes: (store) => counted.get(store) ?? 0,
    add(store, bytes) {
      addTo(counted, store, bytes)
      if (isCounting) addTo(meanwhile, store, bytes)
    },
    [Symbol.dispose]() {
      isOpen = false
      clearInterval(timer)
    },
  }
}

function addTo(bytesOf: Map<string, number>, store: string, bytes: number): void {
  bytesOf.set(store, (bytesOf.get(store) ?? 0) + bytes)
}

const PAGE = 5_000

/** Blobs and bytes of each store by all rows there are. */
export async function storeTotals(
  kv: Pick<KvStore, 'blobPlaces'>,
  nameOf: (row: { readonly store: string }) => string,
  goOn: () => boolean = () => true,
): Promise<ReadonlyMap<string, StoreTotal>> {
  const totals = new Map<string, StoreTotal>()
  for await (const page of pages<BlobPlace>((after) => kv.blobPlaces(after, PAGE))) {
    if (!goOn()) break
    for (const row of page) {
      const name = nameOf(row)
      const { blobs, bytes } = totals.get(name) ?? { blobs: 0, bytes: 0 }
      totals.set(name, { blobs: blobs + 1, bytes: bytes + row.storedBytes })
    }
  }
  return totals
}
