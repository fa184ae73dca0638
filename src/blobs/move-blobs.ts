import { createHash } from 'node:crypto'

import { blobLocation } from './blob-location.ts'
import { movedCopies, type MovedCopies } from './moved-copies.ts'
import type { BlobLocation, BlobStore, StoredBytes } from './blob-store.ts'
import type { BlobStores, NamedStore } from './blob-stores.ts'
import { DepotError, hasCode } from '../errors.ts'
import type { BlobPlace, BlobRow, KvStore } from '../kv-store.ts'
import { LIMITS } from '../limits.ts'
import { pages } from '../pages.ts'

export interface MoveOptions {
  readonly stores: Pick<BlobStores, 'nameOf'>
  readonly kv: Pick<KvStore, 'blob' | 'blobPlaces' | 'moveBlob'>
  readonly from: NamedStore
  readonly to: NamedStore
  /** How long a blob stays where it was, in milliseconds: for clients that are on their way there by a URL of that store. */
  readonly keptMs?: number
  /** Aborted when somebody else may have begun to move blobs of this depot. */
  readonly lost?: AbortSignal
}

/** What became of one blob. */
export type Moved =
  | { readonly moved: BlobRow }
  /** It stays where it is: what is wrong with it there. */
  | { readonly left: BlobPlace; readonly reason: string }

/**
 * Move every blob of one store to another while servers run: copied, read back and hashed, then its row, then the old file goes (`keptMs`
 * later). It may be stopped at any moment and begun again: a blob lies where its row says, at every moment. One at a time in a depot: of
 * two, one may bring a blob back to where the other is about to delete it.
 *
 * @throws DepotError `STORAGE_FULL`, `STORAGE_DOWN` when one of the stores or the database cannot go on; `BAD_REQUEST` when both stores are one
 * place, and nothing is moved
 */
export async function* moveBlobs(options: MoveOptions): AsyncGenerator<Moved> {
  const { stores, kv, from, keptMs = 0, lost } = options
  await refuseOnePlace(options)
  const copies = movedCopies({
    ...options,
    keptMs,
    lost,
    hasMoved: async (location) => (await rowMoved(options, location)) !== undefined,
    demandTurn: () => demandTurn(options),
  })
  for await (const page of pages<BlobPlace>((after) => kv.blobPlaces(after, PAGE))) {
    for (const place of page) {
      if (stores.nameOf(place) !== from.name) continue
      demandTurn(options)
      const done = await moveOne(options, place)
      if (done === undefined) continue
      // Whoever has it open reads on, and whoever has only read its row reads that again.
      if ('moved' in done) await copies.removeLater(blobLocation(done.moved.domain, done.moved.digest))
      yield done
    }
  }
  await copies.removeAll()
  await removeLeftovers(options, copies)
}

/** Of one place under two names, what is deleted under one is gone under both. No configuration shows it: hosts and mounts have many names. */
async function refuseOnePlace({ from, to }: Pick<MoveOptions, 'from' | 'to'>): Promise<void> {
  // The same each time: the next run removes what one that was killed here has left.
  const marker = Buffer.from(`depot store move ${from.name} ${to.name}\n`)
  const location = blobLocation('probe', createHash('sha256').update(marker).digest('hex'))
  await using staged = await to.blobs.stage()
  await staged.write(marker)
  await staged.publish(location)
  try {
    if ((await from.blobs.stat(location)) === undefined) return
  } finally {
    await to.blobs.delete(location)
  }
  throw new DepotError(
    'BAD_REQUEST',
    `the stores '${from.name}' and '${to.name}' are one place under two names: take one of them out of [[stores]]`,
  )
}

/** What a move that was killed has copied and not deleted. What is there for another reason is left alone. */
async function removeLeftovers(options: MoveOptions, copies: MovedCopies): Promise<void> {
  const { from, to } = options
  for await (const location of from.blobs.list('')) {
    const row = await rowMoved(options, location)
    if (row !== undefined && (await isWhole(to.blobs, row, location))) await copies.removeLeftover(location)
  }
}

/** The row of what lies there when it says that it lies in the other store, and is good. */
async function rowMoved({ stores, kv, to }: MoveOptions, location: BlobLocation): Promise<BlobRow | undefined> {
  const [domain = '', , , , digest = ''] = location.split('/')
  const row = await kv.blob(domain, digest)
  return row?.state === 'live' && stores.nameOf(row) === to.name ? row : undefined
}

/** @throws DepotError `STORAGE_DOWN` when it is somebody else's turn by now */
function demandTurn({ lost }: MoveOptions): void {
  if (lost?.aborted === true)
    throw new DepotError('STORAGE_DOWN', 'the database was away for a moment: begin again, and the move goes on')
}

const PAGE = 1_000

async function moveOne(options: MoveOptions, place: BlobPlace): Promise<Moved | undefined> {
  const { stores, kv, from, to } = options
  const row = await kv.blob(place.domain, place.digest)
  if (row === undefined || stores.nameOf(row) !== from.name) return undefined
  if (row.state !== 'live') return { left: place, reason: `it is ${row.state}` }
  const location = blobLocation(row.domain, row.digest)
  try {
    await copy(row, location, from.blobs, to)
    await kv.moveBlob(row, to.name)
  } catch (error) {
    if (!(error instanceof DepotError) || !STAYS.some((code) => hasCode(error, code))) throw error
    return { left: place, reason: error.message }
  }
  return { moved: row }
}

/** What is wrong with one blob, and not with a store. */
const STAYS = ['NOT_FOUND', 'CONTENT_MISMATCH', 'WRITE_CONFLICT'] as const

/**
 * @throws DepotError `CONTENT_MISMATCH` when the bytes are not those that the row promises, `STORAGE_DOWN` when the copy is not: what
 * spoils one spoils others, and this may become the only one there is
 */
async function copy(row: BlobRow, location: BlobLocation, from: BlobStore, to: NamedStore): Promise<void> {
  await using source = await from.open(location)
  await using staged = await to.blobs.stage()
  if (!(await holdsBytes(row, source, (bytes) => staged.write(bytes))))
    throw new DepotError('CONTENT_MISMATCH', 'its bytes are not what was stored: send it again to heal it')
  await staged.publish(location)
  if (!(await isWhole(to.blobs, row, location)))
    throw new DepotError('STORAGE_DOWN', `the store '${to.name}' gives back other bytes than it took (${row.digest})`)
}

/** Whether a store gives the very bytes of a blob. */
async function isWhole(store: BlobStore, row: BlobRow, location: BlobLocation): Promise<boolean> {
  try {
    await using stored = await store.open(location)
    return await holdsBytes(row, stored)
  } catch (error) {
    if (!hasCode(error, 'NOT_FOUND')) throw error
    return false
  }
}

/** Whether these are the bytes that a row promises. @param use sees all of them, before it is known */
async function holdsBytes(
  row: BlobRow,
  { sizeBytes, read }: Pick<StoredBytes, 'sizeBytes' | 'read'>,
  use: (bytes: Uint8Array) => Promise<void> = async () => {},
): Promise<boolean> {
  if (sizeBytes !== row.storedBytes) return false
  const hash = createHash('sha256')
  const buffer = new Uint8Array(Math.min(LIMITS.frameBytes, sizeBytes))
  for (let offset = 0; offset < sizeBytes;) {
    const length = await read(buffer, offset)
    if (length === 0) return false
    hash.update(buffer.subarray(0, length))
    await use(buffer.subarray(0, length))
    offset += length
  }
  return hash.digest('hex') === row.storedSha256
}
