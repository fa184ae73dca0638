import { realpath, stat } from 'node:fs/promises'
import { join, sep } from 'node:path'

import { blobLocation } from '../src/blobs/blob-location.ts'
import type { BlobStore } from '../src/blobs/blob-store.ts'
import type { BlobStores } from '../src/blobs/blob-stores.ts'
import { DepotError, hasCode } from '../src/errors.ts'
import { SILENT_EVENTS, type Events } from '../src/events.ts'
import type { BlobPlace, KvStore } from '../src/kv-store.ts'
import { pages } from '../src/pages.ts'
import type { PlacementStrategy } from '../src/blobs/placement.ts'
import { severalStores, type SeveralStore } from '../src/blobs/several-stores.ts'
import { messageOf } from '../src/thrown.ts'
import { lateStore } from './blob/late-store.ts'
import type { S3Options } from './blob/s3/options.ts'
import { isMissing, storageError } from './fs-errors.ts'

/** Where a store lies, by its type. */
export type StorePlace =
  | {
      readonly type: 'fs'
      /** Its folder, as an absolute path. */
      readonly path: string
    }
  | { readonly type: 's3'; readonly s3: S3Options }

/** A place as an operator knows it: a folder, or `s3://bucket/prefix`. */
export function placeName(place: StorePlace): string {
  return place.type === 'fs' ? place.path : `s3://${place.s3.bucket}/${place.s3.prefix}`
}

/** One of several stores, as the configuration has it. */
export interface StoreOptions {
  readonly name: string
  readonly place: StorePlace
  /** Its part of new blobs in per cent; 0 unless they are placed by `split`. */
  readonly splitPercent: number
  /** It gets no new blobs. */
  readonly readOnly: boolean
}

export interface SeveralStoresConfig {
  readonly placement: PlacementStrategy
  readonly stores: readonly [StoreOptions, ...StoreOptions[]]
}

export interface OpenStoresOptions extends SeveralStoresConfig {
  /** Folder of the depot, in whose `blobs` everything lay before there were several stores. */
  readonly storePath: string
  readonly existing?: boolean
  readonly warn?: (message: string) => void
  readonly events?: Events
  readonly openPlace: (place: StorePlace, existing: boolean) => Promise<BlobStore>
}

/**
 * Open all stores. One that holds blobs and cannot be opened does not keep the others from serving; one that holds none yet has been
 * configured wrongly.
 *
 * @throws DepotError `STORAGE_DOWN` naming the store
 */
export async function openStores(options: OpenStoresOptions, kv: KvStore): Promise<BlobStores> {
  const { stores, storePath, placement, events = SILENT_EVENTS } = options
  await refuseUnknownStores(
    kv,
    stores.map(({ name }) => name),
  )
  const unnamed = unnamedStore(stores, storePath)
  await using opening = new AsyncDisposableStack()
  const opened: SeveralStore[] = []
  for (const store of stores) {
    const blobs = await openOne(options, store, () => holdsBlobs(kv, store.name, unnamed))
    opening.use(blobs)
    opened.push({ ...store, blobs })
  }
  const [first, ...others] = opened
  if (first === undefined) throw new Error('a depot has a store')
  await refuseOverlaps(stores)
  await refuseForgottenFolder(options, kv, opened.find(({ name }) => name === unnamed) ?? first)
  const all = await severalStores({ stores: [first, ...others], unnamed, placement, kv, events })
  opening.move()
  return all
}

/**
 * A store that rows name has to be there, or their blobs cannot be read.
 *
 * @throws DepotError `STORAGE_DOWN` naming one of them
 */
export async function refuseUnknownStores(kv: Pick<KvStore, 'storesNamed'>, known: readonly string[]): Promise<void> {
  const lost = (await kv.storesNamed()).find(({ store }) => !known.includes(store))
  if (lost === undefined) return
  const blobs = lost.blobs === 1 ? '1 blob lies' : `${lost.blobs} blobs lie`
  throw new DepotError(
    'STORAGE_DOWN',
    `${blobs} in the store '${lost.store}', which the configuration does not have: put it back into [[stores]] of depot.toml`,
  )
}

/** The store of rows that name none: that of the folder where blobs lay before, else the first. */
export function unnamedStore(stores: SeveralStoresConfig['stores'], storePath: string): string {
  return (stores.find(({ place }) => place.type === 'fs' && place.path === join(storePath, 'blobs')) ?? stores[0]).name
}

async function openOne(
  { existing = false, warn = () => {}, stores, openPlace }: OpenStoresOptions,
  { name, place }: StoreOptions,
  holds: () => Promise<boolean>,
): Promise<BlobStore> {
  // A folder that is not there would be made anew: on the disk below it, when its own is not mounted.
  const open = async (): Promise<BlobStore> => {
    if (place.type === 'fs' && !existing && !(await isPrepared(place.path)) && (await holds()))
      throw notMounted(place.path)
    return openPlace(place, existing)
  }
  try {
    return await open()
  } catch (error) {
    if (!hasCode(error, 'STORAGE_DOWN') && !hasCode(error, 'STORAGE_FULL')) throw error
    const message = `the store '${name}' (${placeName(place)}) cannot be opened: ${messageOf(error)}`
    if (stores.length === 1 || !(await holds())) throw new DepotError(error.code, message, { cause: error })
    warn(`${message}; the others serve without it`)
    return lateStore(open, error)
  }
}

function notMounted(folder: string): DepotError {
  return new DepotError('STORAGE_DOWN', `${folder} has nothing of what was stored there: is its disk mounted?`)
}

/** Whether a store has been opened in this folder before. @throws DepotError `STORAGE_DOWN` when it cannot be looked at */
export async function isPrepared(folder: string): Promise<boolean> {
  try {
    return (await stat(join(folder, 'tmp'))).isDirectory()
  } catch (error) {
    if (isMissing(error)) return false
    throw storageError(error)
  }
}

/** Whether rows say that blobs lie in a store. Looks at many of them only for the unnamed one, where they are older than its name. */
async function holdsBlobs(kv: KvStore, name: string, unnamed: string): Promise<boolean> {
  if ((await kv.storesNamed()).some(({ store }) => store === name)) return true
  if (name !== unnamed) return false
  for await (const page of pages<BlobPlace>((after) => kv.blobPlaces(after, PAGE)))
    if (page.some(({ store }) => store === '')) return true
  return false
}

const PAGE = 5_000

/** Two stores in one folder would be one: what is moved from one to the other would be gone. */
async function refuseOverlaps(stores: readonly StoreOptions[]): Promise<void> {
  const real = await Promise.all(
    stores.map(async ({ name, place }) => {
      if (place.type !== 'fs') return []
      const at = await Promise.all([realpath(place.path), stat(place.path, { bigint: true })]).catch(() => undefined)
      return at === undefined ? [] : [{ name, path: at[0], id: `${at[1].dev}:${at[1].ino}` }]
    }),
  )
  const there = real.flat()
  for (const one of there) {
    const other = there.find(
      (store) => store !== one && (store.id === one.id || store.path.startsWith(`${one.path}${sep}`)),
    )
    if (other === undefined) continue
    const message = `the stores '${one.name}' and '${other.name}' lie in one folder (${one.path}): each needs its own`
    throw new DepotError('STORAGE_DOWN', message)
  }
}

/** Whoever configures stores for the first time may forget the folder in which everything lies. */
async function refuseForgottenFolder(
  { storePath, openPlace }: OpenStoresOptions,
  kv: KvStore,
  { name, blobs }: SeveralStore,
): Promise<void> {
  const [row] = await kv.blobs(undefined, 1)
  if (row === undefined || row.store !== '') return
  const location = blobLocation(row.domain, row.digest)
  const there = await blobs.stat(location).catch(() => 'down')
  if (there !== undefined) return
  const path = join(storePath, 'blobs')
  await using before = await openPlace({ type: 'fs', path }, true)
  if ((await before.stat(location).catch(() => undefined)) === undefined) return
  throw new DepotError(
    'STORAGE_DOWN',
    `what was stored before lies in ${path}, and not in the store '${name}': give that folder a [[stores]] table of its own`,
  )
}
