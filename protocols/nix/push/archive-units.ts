import { LIMITS } from '../../../src/limits.ts'
import type { PathFacts } from '../closure/path-source.ts'

/** One request of archives: several small ones, or one. */
export interface ArchiveUnit {
  readonly paths: readonly PathFacts[]
  /** They are small enough to be held in memory and to go together. */
  readonly together: boolean
}

/** Plan who goes with whom, in the order of the paths; the archive that several paths have goes once, and none that is held. */
export function archiveUnits(paths: readonly PathFacts[], held: ReadonlySet<string>): readonly ArchiveUnit[] {
  const units: ArchiveUnit[] = []
  const planned = new Set(held)
  let small: PathFacts[] = []
  let smallBytes = 0
  const close = (): void => {
    if (small.length > 0) units.push({ paths: small, together: true })
    small = []
    smallBytes = 0
  }
  for (const facts of paths) {
    const { narHash, narSizeBytes } = facts
    if (planned.has(narHash)) continue
    planned.add(narHash)
    if (narSizeBytes > LIMITS.pushedTogetherEachBytesMax) {
      units.push({ paths: [facts], together: false })
      continue
    }
    if (small.length === LIMITS.pushedTogetherMax || smallBytes + narSizeBytes > LIMITS.pushedTogetherBytesMax) close()
    small.push(facts)
    smallBytes += narSizeBytes
  }
  close()
  return units
}
