import type { Depot } from '../../src/depot.ts'
import type { Cache } from '../../src/kv-store.ts'

/**
 * Read, change and commit a package's record: one after the other in this process, and again when a writer in another one came first.
 * Without turns, of hundreds of publishers of one package all but one would have read for nothing, and most would give up.
 *
 * @throws DepotError `WRITE_CONFLICT` when others keep coming first, and what `attempt` throws
 */
export async function changeInTurn<T>(depot: Depot, cache: Cache, name: string, attempt: () => Promise<T>): Promise<T> {
  const turns = TURNS.get(depot) ?? new Map<string, Promise<unknown>>()
  TURNS.set(depot, turns)
  const key = `${cache.id} ${name}`
  const before = turns.get(key)
  const mine = (async () => {
    // Whatever became of it is its own caller's affair.
    await before?.catch(() => {})
    return depot.retryConflicts(attempt)
  })()
  turns.set(key, mine)
  try {
    return await mine
  } finally {
    if (turns.get(key) === mine) turns.delete(key)
  }
}

/** By package, the last writer in line; each waits for the one before it. */
const TURNS = new WeakMap<Depot, Map<string, Promise<unknown>>>()
