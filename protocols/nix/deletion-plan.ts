import { breath } from '../../src/breath.ts'
import type { Depot } from '../../src/depot.ts'
import { DepotError } from '../../src/errors.ts'
import type { Cache } from '../../src/kv-store.ts'
import { LIMITS } from '../../src/limits.ts'
import { referrersFirst } from './deletion-order.ts'
import { inTurns } from './in-turns.ts'
import { listed, LISTED_MAX } from './listed.ts'
import { indexReferrers, referencedHashes, referrersOf } from './referrers.ts'
import { storedPath, type StoredPath } from './stored-path.ts'

/** What is to be deleted. */
export interface Wanted {
  /** Hashes of store paths. */
  readonly paths: readonly string[]
  /**
   * What goes along: `closure`, all that these need and nothing else here needs; `referrers`, all that need these. Without it, a path that
   * another one needs is refused.
   */
  readonly also?: 'closure' | 'referrers' | undefined
}

/**
 * The paths that go, every one before those that it refers to: whoever deletes them in this order, in pieces, leaves whole closures at
 * every step.
 *
 * @throws DepotError `NOT_FOUND` naming what is not here, `CONFLICT` naming what else refers to it, `TOO_LARGE`
 */
export async function planDeletion(depot: Depot, cache: Cache, wanted: Wanted): Promise<readonly StoredPath[]> {
  await indexReferrers(depot, cache)
  const plan = createPlan(depot, cache)
  await plan.addRoots(wanted.paths)
  if (wanted.also === 'referrers') await plan.addReferrers()
  if (wanted.also === 'closure') await plan.addClosure()
  await plan.refuseNeeded()
  return referrersFirst(plan.going)
}

function createPlan(depot: Depot, cache: Cache) {
  const going = new Map<string, StoredPath>()
  let references = 0

  async function add(hash: string): Promise<void> {
    if (going.has(hash)) return
    const path = await storedPath(depot, cache, hash)
    if (path === undefined || going.has(hash)) return
    going.set(hash, path)
    references += path.entry.references.length
    if (references > LIMITS.nixPlannedReferencesMax) throw tooManyReferences()
  }

  /** Add what `next` leads to from what goes already, and so on. */
  async function grow(next: (hash: string) => AsyncIterable<string> | Iterable<string>): Promise<void> {
    let latest = [...going.keys()]
    while (latest.length > 0) {
      const found = new Set<string>()
      await inTurns(latest, async (hash) => {
        await breath()
        for await (const other of next(hash)) {
          if (!going.has(other)) found.add(other)
          if (going.size + found.size > LIMITS.nixPlannedPathsMax) throw tooMany()
        }
      })
      await inTurns([...found], add)
      latest = [...found].filter((hash) => going.has(hash))
    }
  }

  /** The first stored path that refers to this one and stays. */
  async function needsIt(hash: string, goes: (referrer: string) => boolean): Promise<string | undefined> {
    for await (const referrer of referrersOf(depot, cache, hash)) if (!goes(referrer)) return referrer
    return undefined
  }

  return {
    going,

    async addRoots(hashes: readonly string[]): Promise<void> {
      await inTurns(hashes, add)
      const missing = hashes.filter((hash) => !going.has(hash))
      if (missing.length > 0) throw new DepotError('NOT_FOUND', `this cache does not hold ${listed(missing)}`)
    },

    addReferrers: () => grow((hash) => referrersOf(depot, cache, hash)),

    async addClosure(): Promise<void> {
      const roots = new Set(going.keys())
      await grow((hash) => referencedHashes(going.get(hash)?.entry ?? NOTHING))
      const stay: string[] = []
      await inTurns([...going.keys()], async (hash) => {
        if (!roots.has(hash) && (await needsIt(hash, (referrer) => going.has(referrer))) !== undefined) stay.push(hash)
      })
      for (let hash = stay.pop(); hash !== undefined; hash = stay.pop()) {
        await breath()
        const path = going.get(hash)
        going.delete(hash)
        if (path !== undefined)
          stay.push(...referencedHashes(path.entry).filter((needed) => going.has(needed) && !roots.has(needed)))
      }
    },

    /** @throws DepotError `CONFLICT` */
    async refuseNeeded(): Promise<void> {
      await inTurns([...going.values()], async ({ hash, entry }) => {
        if ((await needsIt(hash, (referrer) => going.has(referrer))) === undefined) return
        const names: string[] = []
        for await (const referrer of referrersOf(depot, cache, hash)) {
          if (names.length === LISTED_MAX) break
          const path = going.has(referrer) ? undefined : await storedPath(depot, cache, referrer)
          if (path !== undefined) names.push(path.entry.baseName)
        }
        throw new DepotError(
          'CONFLICT',
          `${entry.baseName} is needed by ${names.join(', ')}${names.length === LISTED_MAX ? ' and maybe more' : ''}: delete these with it`,
        )
      })
    },
  }
}

const NOTHING = { baseName: '', references: [] }

function tooMany(): DepotError {
  return new DepotError(
    'TOO_LARGE',
    `these are more than ${LIMITS.nixPlannedPathsMax} paths: delete some of them first`,
  )
}

function tooManyReferences(): DepotError {
  return new DepotError(
    'TOO_LARGE',
    `these paths have more than ${LIMITS.nixPlannedReferencesMax} references: delete some of them first`,
  )
}
