import { DepotError, hasCode } from './errors.ts'
import type { Events } from './events.ts'
import type { KvStore } from './kv-store.ts'
import { LIMITS } from './limits.ts'

/**
 * A database that tells when its disk is full, which only changes meet: the events once, and whoever pings it for as long as the last
 * refusal is fresh. Closed with the one that it watches.
 *
 * @param nowMs a clock that does not jump
 */
export function watchRoom(
  kv: KvStore,
  events: Pick<Events, 'databaseFull' | 'databaseRecovered'>,
  nowMs: () => number = () => performance.now(),
): KvStore {
  let full: { readonly message: string; untilMs: number } | undefined

  function refused(error: unknown): void {
    if (!hasCode(error, 'STORAGE_FULL')) return
    if (full === undefined || nowMs() >= full.untilMs) events.databaseFull(error.message)
    full = { message: error.message, untilMs: nowMs() + LIMITS.databaseFullMs }
  }

  async function watched(change: Promise<void>): Promise<void> {
    try {
      await change
    } catch (error) {
      refused(error)
      throw error
    }
    // A small change may find room between large ones that do not: that is no end of it.
    if (full === undefined || nowMs() < full.untilMs) return
    full = undefined
    events.databaseRecovered()
  }

  return {
    ...kv,
    commit: (commit) => watched(kv.commit(commit)),
    setBlobState: (domain, digest, state) => watched(kv.setBlobState(domain, digest, state)),
    moveBlob: (from, store) => watched(kv.moveBlob(from, store)),
    async ping() {
      await kv.ping()
      if (full !== undefined && nowMs() < full.untilMs) throw new DepotError('STORAGE_FULL', full.message)
    },
  }
}
