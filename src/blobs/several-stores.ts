import { blobLocation } from './blob-location.ts'
import type { BlobStore, ByteRange, StoredBytes } from './blob-store.ts'
import type { BlobStores, NamedStore, Placed } from './blob-stores.ts'
import { putBounded } from '../bounded-map.ts'
import { DepotError, hasCode } from '../errors.ts'
import type { Events } from '../events.ts'
import { createKeyedTurns } from '../keyed-turns.ts'
import type { BlobPut, BlobRow, KvStore } from '../kv-store.ts'
import { LIMITS } from '../limits.ts'
import { createPlacement, type PlacementStrategy, type PlacementTarget } from './placement.ts'
import { placedBytes, type Choice } from './placed-bytes.ts'
import { createStoreHealth, type StoreHealth } from './store-health.ts'
import { USE_UNKNOWN, watchStoreUse } from './store-use.ts'

/** One of several stores, opened. */
export interface SeveralStore extends NamedStore {
  /** Its part of new blobs in per cent, for `split`. */
  readonly splitPercent: number
  /** It gets no new blobs. */
  readonly readOnly: boolean
}

export interface SeveralStoresOptions {
  /** In the order of the configuration. */
  readonly stores: readonly [SeveralStore, ...SeveralStore[]]
  /** The name, among them, of the one that rows without a store mean. */
  readonly unnamed: string
  readonly placement: PlacementStrategy
  readonly kv: Pick<KvStore, 'blob' | 'readAnew' | 'blobPlaces'>
  readonly events: Pick<Events, 'storeFailed' | 'storeRecovered' | 'unexpectedError'>
}

/** Stores that share the blobs of a depot. One that is down or full is passed over while another takes what comes. */
export async function severalStores(options: SeveralStoresOptions): Promise<BlobStores> {
  const { stores, unnamed, kv, events } = options
  const byName = new Map<string, BlobStore>(stores.map(({ name, blobs }) => [name, blobs]))
  const nameOf = ({ store }: Pick<BlobRow, 'store'>): string => (store === '' ? unnamed : store)
  const use =
    options.placement === 'least-used'
      ? await watchStoreUse(kv, nameOf, (error) => events.unexpectedError('counting the bytes of stores', error))
      : USE_UNKNOWN
  const health = new Map(stores.map((store) => [store.name, createStoreHealth(store, events)]))
  const choose = chooser(options, health, use.bytes)
  const settle = onePlaceEach(holds)

  function of(row: Pick<BlobRow, 'store'>): BlobStore {
    const name = nameOf(row)
    const found = byName.get(name)
    if (health.get(name)?.hangs() === true) throw hanging(name)
    if (found !== undefined) return found
    throw new DepotError('STORAGE_DOWN', `no store is called '${row.store}' here: is it missing from [[stores]]?`)
  }

  /** What the row says may have changed since it was read, or its volume may not be mounted. */
  async function openMissing(row: Placed, error: DepotError, expected?: Partial<ByteRange>): Promise<StoredBytes> {
    kv.readAnew?.()
    const now = await kv.blob(row.domain, row.digest)
    if (now?.state === 'live' && nameOf(now) !== nameOf(row) && now.storedSha256 === row.storedSha256)
      return of(now).open(blobLocation(row.domain, row.digest), expected)
    await of(row).ping?.()
    throw error
  }

  async function holds(row: BlobRow): Promise<boolean> {
    try {
      return (await of(row).stat(blobLocation(row.domain, row.digest)))?.sizeBytes === row.storedBytes
    } catch (error) {
      if (!hasCode(error, 'STORAGE_DOWN')) throw error
      return false
    }
  }

  return {
    all: stores,
    nameOf,
    of,
    async open(row, expected) {
      try {
        return await of(row).open(blobLocation(row.domain, row.digest), expected)
      } catch (error) {
        if (!hasCode(error, 'NOT_FOUND')) throw error
        return openMissing(row, error, expected)
      }
    },
    holds,
    stage: () => placedBytes({ choose, settle, add: use.add }),
    async [Symbol.asyncDispose]() {
      use[Symbol.dispose]()
      await Promise.all(stores.map(({ blobs }) => blobs[Symbol.asyncDispose]()))
    },
  }
}

/** Puts the stores in the order in which a new blob tries them. */
function chooser(
  { stores, placement: strategy }: SeveralStoresOptions,
  healthOf: ReadonlyMap<string, StoreHealth>,
  bytesOf: (store: string) => number,
): () => Promise<readonly Choice[]> {
  const writable = stores
    .filter(({ readOnly }) => !readOnly)
    .flatMap((store): (Choice & PlacementTarget)[] => {
      const health = healthOf.get(store.name)
      return health === undefined ? [] : [{ ...store, ...health, usedBytes: () => bytesOf(store.name) }]
    })
  const placement = createPlacement<(typeof writable)[number]>(strategy)
  return async () => {
    const known = await Promise.all(writable.map((store) => store.isUsable()))
    const order = placement.order(writable.filter((_, index) => known[index] === true))
    // When all others refuse, those that were thought unusable say best why they are; one that hangs would say nothing.
    const others = writable.filter((store) => !order.includes(store))
    const answering = others.filter((store) => !store.hangs())
    const [silent] = others
    if (order.length === 0 && answering.length === 0 && silent !== undefined) throw hanging(silent.name)
    return [...order, ...answering]
  }
}

function hanging(name: string): DepotError {
  return new DepotError('STORAGE_DOWN', `the store '${name}' does not answer: does its mount hang?`)
}

/**
 * Of one content that comes several times at once, before any row says where it lies, only the first is stored: the others find it there.
 * In one process; what two servers store at the same moment lies twice, which fsck tells.
 */
function onePlaceEach(holds: (row: BlobRow) => Promise<boolean>) {
  const turns = createKeyedTurns(1)
  const lately = new Map<string, Pick<BlobRow, 'store' | 'storedSha256'>>()
  return (row: BlobRow, known: BlobRow | undefined, publish: () => Promise<string>): Promise<BlobPut> => {
    const location = blobLocation(row.domain, row.digest)
    return turns(location, async () => {
      const first = known === undefined ? lately.get(location) : undefined
      if (first?.storedSha256 === row.storedSha256 && (await holds({ ...row, store: first.store })))
        return { ...row, store: first.store }
      const store = await publish()
      putBounded(lately, LIMITS.placesRememberedMax, location, { store, storedSha256: row.storedSha256 })
      return { ...row, store }
    })
  }
}
