import { createHash } from 'node:crypto'

import { blobLocation } from './blob-location.ts'
import type { BlobLocation, BlobStore } from './blob-store.ts'
import type { BlobStores, NamedStore } from './blob-stores.ts'
import { DepotError, hasCode } from '../errors.ts'
import type { BlobPlace, BlobRow, KvStore } from '../kv-store.ts'
import { LIMITS } from '../limits.ts'

export interface MoveOptions {
  readonly stores: Pick<BlobStores, 'nameOf'>
  readonly kv: Pick<KvStore, 'blob' | 'blobPlaces' | 'moveBlob'>
  readonly from: NamedStore
  readonly to: NamedStore
}

/** What became of one blob. */
export type Moved =
  | { readonly moved: BlobRow }
  /** It stays where it is: what is wrong with it there. */
  | { readonly left: BlobPlace; readonly reason: string }

/**
 * Move every blob of one store to another while servers run: copied and hashed, then its row, then the old file goes. It may be stopped at
 * any moment and begun again: a blob lies where its row says, at every moment.
 *
 * @throws DepotError `STORAGE_FULL`, `STORAGE_DOWN` when one of the stores or the database cannot go on; `BAD_REQUEST` when both stores are one
 * place, and nothing is moved
 */
export async function* moveBlobs(options: MoveOptions): AsyncGenerator<Moved> {
  const { stores, kv, from } = options
  await refuseOnePlace(options)
  for (
    let page = await kv.blobPlaces(undefined, PAGE);
    page.length > 0;
    page = await kv.blobPlaces(page.at(-1), PAGE)
  ) {
    for (const place of page) {
      if (stores.nameOf(place) !== from.name) continue
      const done = await moveOne(options, place)
      if (done !== undefined) yield done
    }
  }
  await removeCopies(options)
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
async function removeCopies({ stores, kv, from, to }: MoveOptions): Promise<void> {
  for await (const location of from.blobs.list('')) {
    const [domain = '', , , , digest = ''] = location.split('/')
    const row = await kv.blob(domain, digest)
    if (row?.state !== 'live' || stores.nameOf(row) !== to.name) continue
    if ((await to.blobs.stat(location))?.sizeBytes === row.storedBytes) await from.blobs.delete(location)
  }
}

const PAGE = 1_000

async function moveOne({ stores, kv, from, to }: MoveOptions, place: BlobPlace): Promise<Moved | undefined> {
  const row = await kv.blob(place.domain, place.digest)
  if (row === undefined || stores.nameOf(row) !== from.name) return undefined
  if (row.state !== 'live') return { left: place, reason: `it is ${row.state}` }
  const location = blobLocation(row.domain, row.digest)
  try {
    await copy(row, location, from.blobs, to.blobs)
    await kv.moveBlob(row, to.name)
  } catch (error) {
    if (!(error instanceof DepotError) || !STAYS.some((code) => hasCode(error, code))) throw error
    return { left: place, reason: error.message }
  }
  // Whoever has it open reads on, and whoever has only read its row reads that again.
  await from.blobs.delete(location)
  return { moved: row }
}

/** What is wrong with one blob, and not with a store. */
const STAYS = ['NOT_FOUND', 'CONTENT_MISMATCH', 'WRITE_CONFLICT'] as const

/** @throws DepotError `CONTENT_MISMATCH` when the bytes are not those that the row promises */
async function copy(row: BlobRow, location: BlobLocation, from: BlobStore, to: BlobStore): Promise<void> {
  await using source = await from.open(location)
  await using staged = await to.stage()
  const hash = createHash('sha256')
  const buffer = new Uint8Array(LIMITS.frameBytes)
  for (let offset = 0; offset < source.sizeBytes;) {
    const length = await source.read(buffer, offset)
    if (length === 0) break
    hash.update(buffer.subarray(0, length))
    await staged.write(buffer.subarray(0, length))
    offset += length
  }
  if (source.sizeBytes !== row.storedBytes || hash.digest('hex') !== row.storedSha256)
    throw new DepotError('CONTENT_MISMATCH', 'its bytes are not what was stored: send it again to heal it')
  await staged.publish(location)
}
