import { createHash } from 'node:crypto'

import { blobLocation } from './blob-location.ts'
import type { StagedBytes } from './blob-store.ts'
import type { NamedStore, PlacedBytes } from './blob-stores.ts'
import { DepotError } from '../errors.ts'
import type { BlobPut, BlobRow } from '../kv-store.ts'
import { LIMITS } from '../limits.ts'
import type { StoreHealth } from './store-health.ts'

/** A store that may be chosen, and who must hear how it went. */
export interface Choice extends NamedStore, StoreHealth {}

export interface PlacingOptions {
  /** The stores to try, best first. */
  readonly choose: () => Promise<readonly Choice[]>
  /** Has `publish` store the blob, unless it lies somewhere already. */
  readonly settle: (row: BlobRow, known: BlobRow | undefined, publish: () => Promise<string>) => Promise<BlobPut>
  /** So many bytes more are in a store, or on their way there. */
  readonly add: (store: string, bytes: number) => void
}

interface Place {
  readonly store: Choice
  readonly staged: StagedBytes
}

/**
 * Begin to write a blob in the first store that takes it. When that one fills up or goes down meanwhile, what was written is copied to the
 * next one, and whoever sends it notices nothing: as long as it can be read back from where it was begun.
 *
 * @throws DepotError of the store that was tried first when none takes it; `STORAGE_DOWN` when none may.
 */
export async function placedBytes({ choose, settle, add }: PlacingOptions): Promise<PlacedBytes> {
  const tried = new Set<Choice>()
  let place = await begin(async () => {})
  let writtenBytes = 0
  let hasMoved = false
  let isPublished = false

  /** The next store that takes a blob and lets `fill` write the beginning of it. */
  async function begin(fill: (staged: StagedBytes) => Promise<void>, why?: DepotError): Promise<Place> {
    let failure = why
    for (const store of await choose()) {
      if (tried.has(store)) continue
      tried.add(store)
      let staged: StagedBytes | undefined
      try {
        staged = await store.blobs.stage()
        await fill(staged)
        return { store, staged }
      } catch (error) {
        if (staged !== undefined) await forgotten(staged)
        if (!store.failed(error)) throw error
        failure ??= error
      }
    }
    throw failure ?? new DepotError('STORAGE_DOWN', 'every store is read-only: none takes new blobs')
  }

  /** Go on in another store. @throws `error` when that cannot be done */
  async function move(error: unknown): Promise<void> {
    const old = place
    if (!old.store.failed(error)) throw error
    try {
      place = await begin(async (staged) => {
        for await (const bytes of readBack(old.staged, writtenBytes)) await staged.write(bytes)
      }, error)
    } catch (other) {
      throw other instanceof Unreadable ? error : other
    }
    hasMoved = true
    add(old.store.name, -writtenBytes)
    add(place.store.name, writtenBytes)
    await forgotten(old.staged)
  }

  async function publish(row: BlobRow): Promise<string> {
    for (;;) {
      if (hasMoved) await checkCopy(place.staged, writtenBytes, row.storedSha256)
      try {
        await place.staged.publish(blobLocation(row.domain, row.digest))
        isPublished = true
        return place.store.name
      } catch (error) {
        await move(error)
      }
    }
  }

  return {
    async write(bytes) {
      for (;;) {
        try {
          await place.staged.write(bytes)
          break
        } catch (error) {
          await move(error)
        }
      }
      writtenBytes += bytes.byteLength
      add(place.store.name, bytes.byteLength)
    },
    read: (range) => place.staged.read(range),
    publish: (row, known) => settle(row, known, () => publish(row)),
    async [Symbol.asyncDispose]() {
      if (!isPublished) add(place.store.name, -writtenBytes)
      isPublished = true
      await place.staged[Symbol.asyncDispose]()
    },
  }
}

/** What a store that failed still has of it goes at the next start at the latest. */
async function forgotten(staged: StagedBytes): Promise<void> {
  try {
    await staged[Symbol.asyncDispose]()
  } catch {
    // It could not even be removed: who writes this blob has it elsewhere by now.
  }
}

/** What was written to a store cannot be read back from there. */
class Unreadable extends Error {}

/** What was written so far. @throws Unreadable when not all of it is there any more */
async function* readBack(staged: StagedBytes, sizeBytes: number): AsyncGenerator<Uint8Array> {
  for (let start = 0; start < sizeBytes;) {
    const end = Math.min(start + LIMITS.frameBytes, sizeBytes)
    const bytes = await staged.read({ start, end }).catch((cause: unknown) => {
      throw new Unreadable('what was written cannot be read back', { cause })
    })
    if (bytes.byteLength === 0) throw new Unreadable('not all that was written can be read back')
    yield bytes
    start += bytes.byteLength
  }
}

/** A copy was read from a disk that had just failed. @throws DepotError `STORAGE_DOWN` when it is not what was written */
async function checkCopy(staged: StagedBytes, sizeBytes: number, sha256: string): Promise<void> {
  const hash = createHash('sha256')
  try {
    for await (const bytes of readBack(staged, sizeBytes)) hash.update(bytes)
  } catch (error) {
    throw error instanceof Unreadable ? error.cause : error
  }
  if (hash.digest('hex') === sha256) return
  throw new DepotError('STORAGE_DOWN', 'a store failed, and gave back other bytes than it was given: send it again')
}
