import { concernsOne } from '../../../src/client/fail-saved.ts'
import { inParallel } from '../../../src/client/in-parallel.ts'
import { DepotError } from '../../../src/errors.ts'
import { LIMITS } from '../../../src/limits.ts'
import type { PathFacts, PathSource } from './path-source.ts'

/** Some paths and all that they refer to. */
export interface Closure {
  /** Each once, references before what refers to them. */
  readonly paths: readonly PathFacts[]
  /** Base names of what could not be had, with why. */
  readonly missing: ReadonlyMap<string, DepotError>
}

export interface ClosureOptions {
  /** Leave out what the paths refer to. */
  readonly rootsOnly?: boolean
  /** Told of each path as it is found. */
  readonly onFound?: (facts: PathFacts) => void
}

/**
 * Some paths, by their base names, and all that they refer to. What a source does not have, or refuses, is told and does not stop the rest.
 *
 * @throws DepotError `TOO_LARGE` beyond `LIMITS.closurePathsMax`, and what concerns the source as a whole
 */
export async function closureOf(
  source: Pick<PathSource, 'facts'>,
  roots: Iterable<string>,
  options: ClosureOptions = {},
): Promise<Closure> {
  const found = new Map<string, PathFacts>()
  const missing = new Map<string, DepotError>()
  const asked = new Set<string>()
  let wave = [...new Set(roots)]
  while (wave.length > 0) {
    const next = new Set<string>()
    for (const baseName of wave) asked.add(baseName)
    if (asked.size > LIMITS.closurePathsMax)
      throw new DepotError('TOO_LARGE', `more than ${LIMITS.closurePathsMax} store paths belong together`)
    await inParallel(wave, LIMITS.closureAsksAtOnce, async (baseName) => {
      const facts = await factsOf(source, baseName, missing)
      if (facts === undefined) return
      found.set(baseName, facts)
      options.onFound?.(facts)
      if (options.rootsOnly === true) return
      for (const reference of facts.references) if (!asked.has(reference)) next.add(reference)
    })
    wave = [...next]
  }
  return { paths: referencesFirst(found), missing }
}

async function factsOf(
  source: Pick<PathSource, 'facts'>,
  baseName: string,
  missing: Map<string, DepotError>,
): Promise<PathFacts | undefined> {
  try {
    const facts = await source.facts(baseName)
    if (facts === undefined) missing.set(baseName, new DepotError('NOT_FOUND', 'it is not there'))
    return facts
  } catch (error) {
    // What every other path would be told as well.
    if (!concernsOne(error)) throw error
    missing.set(baseName, error)
    return undefined
  }
}

/**
 * References before what refers to them. Honest paths have no cycle but to themselves, because their names are hashes; one that somebody
 * made up is cut somewhere. No recursion: chains of references may be long.
 */
function referencesFirst(found: ReadonlyMap<string, PathFacts>): PathFacts[] {
  const ordered: PathFacts[] = []
  const begun = new Set<string>()
  const open: { readonly facts: PathFacts; readonly left: string[] }[] = []
  const begin = (baseName: string): void => {
    const facts = found.get(baseName)
    if (facts === undefined || begun.has(baseName)) return
    begun.add(baseName)
    open.push({ facts, left: [...facts.references] })
  }
  for (const root of found.keys()) {
    begin(root)
    for (let last = open.at(-1); last !== undefined; last = open.at(-1)) {
      const next = last.left.pop()
      if (next !== undefined) begin(next)
      else ordered.push((open.pop() ?? last).facts)
    }
  }
  return ordered
}
