import type { Depot } from '../../src/depot.ts'
import type { Caller } from '../../src/protocol.ts'
import { changedPackage } from './package-record.ts'
import { loadVersion, versionMissing } from './packages.ts'
import { writeLivePackage } from './write-package.ts'

/**
 * Point a dist-tag at a version.
 *
 * @throws DepotError `NOT_FOUND` without the package or the version, `TOO_LARGE` for one tag too many
 */
export async function moveTag(
  depot: Depot,
  caller: Caller,
  { name, tag, version }: { readonly name: string; readonly tag: string; readonly version: string },
): Promise<void> {
  // That the version is still there at the commit is part of the change: who deletes it writes the package too.
  await writeLivePackage(depot, caller, name, async ({ record }) => {
    const found = await loadVersion(depot, caller.cache, name, version)
    if (found === undefined) throw versionMissing(name, version)
    if (Object.hasOwn(record.tags, tag) && record.tags[tag] === version) return undefined
    return {
      record: changedPackage(record, { tags: [tag], version, now: new Date().toISOString() }),
      done: [{ action: 'write', part: tag, digest: found.digest }],
    }
  })
}
