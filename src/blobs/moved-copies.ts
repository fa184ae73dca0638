import type { BlobLocation } from './blob-store.ts'
import type { NamedStore } from './blob-stores.ts'
import { LIMITS } from '../limits.ts'
import { withinMs } from '../within.ts'

export interface MovedCopiesOptions {
  readonly from: NamedStore
  /** How long each stays, in milliseconds, counted from when its row was changed. */
  readonly keptMs: number
  /** Whether the row of what lies there says, at this moment, that it lies in another store. */
  readonly hasMoved: (location: BlobLocation) => Promise<boolean>
  /** Throws when nothing may be deleted any more. */
  readonly demandTurn: () => void
  /** Aborted when that may have changed. */
  readonly lost: AbortSignal | undefined
}

/** What has moved, and is still where it was too. */
export interface MovedCopies {
  /** Delete it when its time has come, at once where it has none. Resolves when there is room for another one to wait. */
  removeLater(location: BlobLocation): Promise<void>
  /** Delete all that wait, when the time of each has come. */
  removeAll(): Promise<void>
  /** Delete what was moved before, nobody knows when: its time counts from the begin of this. */
  removeLeftover(location: BlobLocation): Promise<void>
}

/**
 * Deletes what has moved, in the order in which it moved. What is forgotten here, because the process ends, is a leftover to the next one.
 *
 * @throws what `demandTurn` throws, and DepotError `STORAGE_DOWN`, from each method
 */
export function movedCopies({ from, keptMs, hasMoved, demandTurn, lost }: MovedCopiesOptions): MovedCopies {
  const begunMs = performance.now()
  const dueMsOf = new Map<BlobLocation, number>()
  const isLost = new Promise<void>((resolve) => lost?.addEventListener('abort', () => resolve(), { once: true }))

  async function remove(location: BlobLocation, dueMs: number): Promise<void> {
    demandTurn()
    const leftMs = dueMs - performance.now()
    if (leftMs > 0) await withinMs(isLost, leftMs)
    demandTurn()
    // Somebody may have sent it anew meanwhile, and it may have come back here.
    if (await hasMoved(location)) await from.blobs.delete(location)
    dueMsOf.delete(location)
  }

  async function removeUntil(isEnough: (dueMs: number) => boolean): Promise<void> {
    for (const [location, dueMs] of dueMsOf) {
      if (isEnough(dueMs)) return
      await remove(location, dueMs)
    }
  }

  return {
    removeLater(location) {
      dueMsOf.set(location, performance.now() + keptMs)
      return removeUntil((dueMs) => dueMs > performance.now() && dueMsOf.size < LIMITS.storeMovedKeptMax)
    },
    removeAll: () => removeUntil(() => false),
    removeLeftover: (location) => remove(location, begunMs + keptMs),
  }
}
