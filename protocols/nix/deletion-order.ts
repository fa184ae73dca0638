import { breath } from '../../src/breath.ts'
import { referencedHashes } from './referrers.ts'
import type { StoredPath } from './stored-path.ts'

/** Every path before those that it refers to. Paths that refer to each other in a circle, which Nix does not make, come last. */
export async function referrersFirst(paths: ReadonlyMap<string, StoredPath>): Promise<readonly StoredPath[]> {
  /** For each hash, how many of the paths that refer to it have no place yet. */
  const referrers = new Map<string, number>()
  for (const { entry } of paths.values()) {
    await breath()
    for (const hash of referencedHashes(entry)) referrers.set(hash, (referrers.get(hash) ?? 0) + 1)
  }
  const free = [...paths.values()].filter(({ hash }) => !referrers.has(hash))
  const ordered = new Set<StoredPath>()
  for (let path = free.pop(); path !== undefined; path = free.pop()) {
    ordered.add(path)
    await breath()
    for (const hash of referencedHashes(path.entry)) {
      const left = (referrers.get(hash) ?? 0) - 1
      referrers.set(hash, left)
      const next = paths.get(hash)
      if (left === 0 && next !== undefined) free.push(next)
    }
  }
  return [...ordered, ...[...paths.values()].filter((path) => !ordered.has(path))]
}
