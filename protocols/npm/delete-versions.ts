import type { Depot } from '../../src/depot.ts'
import { LIMITS } from '../../src/limits.ts'
import type { Caller } from '../../src/protocol.ts'
import { withoutVersions } from './package-record.ts'
import { findVersion, requireRevision } from './packages.ts'
import { isTombstone, KIND, lengthOf, versionKey, type PackageRecord } from './records.ts'
import { writeLivePackage } from './write-package.ts'

export interface Deletion {
  readonly name: string
  /** Those that are not there any more are passed over. */
  readonly versions: readonly string[]
  /** The `_rev` that the client saw; without it whatever is there. */
  readonly revision?: string
  /** What else becomes of the package's record, in the commit that deletes the first versions. */
  readonly change?: (record: PackageRecord) => PackageRecord
}

/**
 * Delete versions: tombstones instead of their records, out of the package and its tags, in one commit for each
 * `LIMITS.npmDeletedVersionsPerCommit`. Their bytes are held by nobody then.
 *
 * @throws DepotError `NOT_FOUND` without the package, `CONFLICT` when `revision` is not the package's any more
 */
export async function deleteVersions(depot: Depot, caller: Caller, { versions, ...deletion }: Deletion): Promise<void> {
  const step = LIMITS.npmDeletedVersionsPerCommit
  await deleteSome(depot, caller, { ...deletion, versions: versions.slice(0, step) })
  // By then it is another revision, which is ours.
  for (let at = step; at < versions.length; at += step)
    await deleteSome(depot, caller, { name: deletion.name, versions: versions.slice(at, at + step) })
}

async function deleteSome(
  depot: Depot,
  caller: Caller,
  { name, versions, revision, change = (record) => record }: Deletion,
): Promise<void> {
  await writeLivePackage(depot, caller, name, async (loaded) => {
    if (revision !== undefined) requireRevision(loaded, revision)
    const live = await liveOf(depot, caller, name, versions)
    const now = new Date().toISOString()
    const record = withoutVersions(change(loaded.record), new Set(versions), now)
    const { manifestsLength = 0 } = record
    const goneLength = live.reduce((sum, { length }) => sum + length, 0)
    return {
      record: { ...record, manifestsLength: Math.max(manifestsLength - goneLength, 0) },
      puts: live.map(({ key, digest, expected }) => {
        const value = JSON.stringify({ deleted: now, digest })
        return { kind: KIND.version, key, value, expected, refs: [] }
      }),
      deletes: live.map(({ key }) => ({ kind: KIND.attestation, key })),
      done: live.map(({ version, digest }) => ({ action: 'delete', part: version, digest })),
    }
  })
}

interface LiveVersion {
  readonly version: string
  readonly key: string
  readonly digest: string
  readonly expected: number
  /** Characters of its manifest. */
  readonly length: number
}

/** Those versions that can be read now. */
async function liveOf(
  depot: Depot,
  { cache }: Caller,
  name: string,
  versions: readonly string[],
): Promise<readonly LiveVersion[]> {
  const live: LiveVersion[] = []
  for (const version of versions) {
    const found = await findVersion(depot, cache, name, version)
    if (found === undefined || isTombstone(found.record)) continue
    const { record, expected } = found
    const { digest, manifest } = record
    live.push({ version, key: versionKey(name, version), digest, expected, length: lengthOf(manifest) })
  }
  return live
}
