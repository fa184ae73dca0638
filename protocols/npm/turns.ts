import type { Depot } from '../../src/depot.ts'
import { createKeyedTurns, type KeyedTurns } from '../../src/keyed-turns.ts'
import type { Cache } from '../../src/kv-store.ts'

/**
 * Read, change and commit a package's record: one after the other in this process, and again when a writer in another one came first.
 * Without turns, of hundreds of publishers of one package all but one would have read for nothing, and most would give up.
 *
 * @throws DepotError `WRITE_CONFLICT` when others keep coming first, and what `attempt` throws
 */
export async function changeInTurn<T>(depot: Depot, cache: Cache, name: string, attempt: () => Promise<T>): Promise<T> {
  const inTurn = TURNS.get(depot) ?? createKeyedTurns(1)
  TURNS.set(depot, inTurn)
  return inTurn(`${cache.id} ${name}`, () => depot.retryConflicts(attempt))
}

/** By package, one writer at a time. */
const TURNS = new WeakMap<Depot, KeyedTurns>()
