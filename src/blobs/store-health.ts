import type { BlobStore, Space } from './blob-store.ts'
import { hasCode, type DepotError } from '../errors.ts'
import type { Events } from '../events.ts'
import { LIMITS } from '../limits.ts'
import { withinMs } from '../within.ts'

/** Whether a store takes new blobs, learnt from what happens to them. */
export interface StoreHealth {
  /**
   * Whether it is worth a try. Asks how much room is left once a second, and one that failed now and then whether it is back. Resolves
   * within `LIMITS.storeAnswerMs`; one that hangs is not asked again before it has answered.
   */
  isUsable(): Promise<boolean>
  /** Whether it is on a volume that hangs: whatever is wanted of it waits, and takes a thread from those who want something of other stores. */
  hangs(): boolean
  /** Tell what a write met. @returns whether another store may do better: it is down or full, rather than the caller wrong */
  failed(error: unknown): error is DepotError
}

export interface WatchedStore {
  readonly name: string
  readonly blobs: Pick<BlobStore, 'ping' | 'space'>
}

/** @param nowMs a clock that does not jump */
export function createStoreHealth(
  { name, blobs }: WatchedStore,
  events: Pick<Events, 'storeFailed' | 'storeRecovered'>,
  nowMs: () => number = () => performance.now(),
): StoreHealth {
  let down: { askAgainMs: number } | undefined
  let fullUntilMs: number | undefined
  let room: { readonly has: boolean; readonly atMs: number } | undefined
  /** The one question that is under way, until it is answered or late. */
  let asked: Promise<void> | undefined
  let isLate = false

  function isFull(): boolean {
    return fullUntilMs !== undefined || room?.has === false
  }

  /** Resolves when the question is answered, and when it has been waited for long enough: a late answer counts when it comes. */
  function ask(question: () => Promise<void>): Promise<void> {
    if (asked !== undefined) return asked
    const answered = question().finally(() => {
      const wasLate = isLate
      asked = undefined
      isLate = false
      if (wasLate) askAgain()
    })
    asked = withinMs(answered, LIMITS.storeAnswerMs).then((inTime) => {
      if (!inTime && asked !== undefined) late()
    })
    return asked
  }

  function late(): void {
    isLate = true
    if (down === undefined) events.storeFailed(name, 'STORAGE_DOWN', 'it does not answer: does its mount hang?')
    down ??= { askAgainMs: nowMs() }
  }

  /** Nobody waits for a store that is down: the next upload but one finds it up again. */
  function askAgain(): void {
    if (down !== undefined && nowMs() >= down.askAgainMs) void ask(lookWhetherUp)
  }

  async function lookWhetherUp(): Promise<void> {
    try {
      await blobs.ping?.()
      down = undefined
      events.storeRecovered(name)
    } catch {
      down = { askAgainMs: nowMs() + LIMITS.storeRetryMs }
    }
  }

  async function lookForRoom(): Promise<void> {
    const wasFull = isFull()
    const space = await blobs.space?.()
    room = { has: space === undefined || hasRoom(space), atMs: nowMs() }
    if (fullUntilMs !== undefined && nowMs() >= fullUntilMs) fullUntilMs = undefined
    if (wasFull && !isFull()) events.storeRecovered(name)
    if (!wasFull && isFull()) events.storeFailed(name, 'STORAGE_FULL', 'little room is left: new blobs go elsewhere')
  }

  function failed(error: unknown): error is DepotError {
    if (hasCode(error, 'STORAGE_FULL')) {
      if (!isFull()) events.storeFailed(name, error.code, error.message)
      fullUntilMs = nowMs() + LIMITS.storeFullMs
      return true
    }
    if (!hasCode(error, 'STORAGE_DOWN')) return false
    if (down === undefined) events.storeFailed(name, error.code, error.message)
    down = { askAgainMs: nowMs() + LIMITS.storeRetryMs }
    return true
  }

  return {
    async isUsable() {
      try {
        askAgain()
        if (down !== undefined) return false
        if (room === undefined || nowMs() - room.atMs >= LIMITS.storeSpaceSharedMs) await ask(lookForRoom)
        return down === undefined && !isFull()
      } catch (error) {
        if (!failed(error)) throw error
        return false
      }
    },
    // A store over a network gives up by itself, and may still be read while it is slow to say how it is.
    hangs: () => isLate && blobs.space !== undefined,
    failed,
  }
}

/** Whether new blobs may go there: what is on its way must still fit, and some file systems become slow without any room. */
export function hasRoom({ freeBytes, sizeBytes }: Space, reserveBytes: number = LIMITS.storeReserveBytes): boolean {
  return freeBytes >= Math.min(reserveBytes, sizeBytes * RESERVE_SHARE)
}

/** Whether hardly any blob would find room. */
export function isFull(space: Space): boolean {
  return !hasRoom(space, LIMITS.storeFullBytes)
}

/** Of a small volume, which could not be used otherwise. */
const RESERVE_SHARE = 0.02
