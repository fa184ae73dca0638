import type { Depot } from '../../src/depot.ts'
import { DepotError } from '../../src/errors.ts'
import type { Commit } from '../../src/kv-store.ts'
import { LIMITS } from '../../src/limits.ts'
import type { Caller } from '../../src/protocol.ts'
import { npmAuditEntry, type Done } from './audit-line.ts'
import { loadPackage, requireLive, type LoadedPackage } from './packages.ts'
import { KIND, type PackageRecord } from './records.ts'
import { changeInTurn } from './turns.ts'

/** What one commit makes of a package. */
export interface PackageWrite extends Pick<Commit, 'puts' | 'deletes' | 'blobs'> {
  /** The package's record from then on. It is put even when it is as it was: what was rendered of it goes. */
  readonly record: PackageRecord
  /** What the audit log says of it: a line for each. */
  readonly done: readonly Done[]
}

/**
 * Write a package: the one way in which its record and what belongs to it change. `plan` sees the record as it is and says what becomes
 * of it, or undefined when nothing does; it is asked again when another server came first.
 *
 * @returns whether anything was written
 * @throws DepotError `TOO_LARGE` for a version or a dist-tag too many, `WRITE_CONFLICT` when others keep coming first, what `plan` throws
 */
export function writePackage(
  depot: Depot,
  caller: Caller,
  name: string,
  plan: (loaded: LoadedPackage | undefined) => Promise<PackageWrite | undefined> | PackageWrite | undefined,
): Promise<boolean> {
  return changeInTurn(depot, caller.cache, name, async () => {
    const loaded = await loadPackage(depot, caller.cache, name)
    const write = await plan(loaded)
    if (write === undefined) return false
    const { record, done, puts = [], ...rest } = write
    requireRoom(name, loaded?.record, record)
    const audit = done.map((one) => npmAuditEntry(caller, name, one))
    const value = JSON.stringify(record)
    await depot.commit(caller.cache, {
      ...rest,
      puts: [...puts, { kind: KIND.package, key: name, value, expected: loaded?.version ?? 0 }],
      audit,
    })
    for (const { resource } of audit) depot.events.recordWritten('npm', resource)
    return true
  })
}

/**
 * `writePackage` for one that has versions.
 *
 * @throws DepotError `NOT_FOUND` without the package, and as `writePackage`
 */
export function writeLivePackage(
  depot: Depot,
  caller: Caller,
  name: string,
  plan: (loaded: LoadedPackage) => Promise<PackageWrite | undefined> | PackageWrite | undefined,
): Promise<boolean> {
  return writePackage(depot, caller, name, (loaded) => plan(requireLive(name, loaded)))
}

/** What has grown beyond a bound may still be changed, and become smaller. */
function requireRoom(name: string, before: PackageRecord | undefined, after: PackageRecord): void {
  for (const [measure, most, message] of ROOM) {
    const size = measure(after)
    if (size > most && (before === undefined || size > measure(before)))
      throw new DepotError('TOO_LARGE', `${name} would have ${message}`)
  }
}

const ROOM: readonly (readonly [measure: (record: PackageRecord) => number, most: number, message: string])[] = [
  [
    ({ times }) => Object.keys(times).length,
    LIMITS.npmVersionsPerPackageMax,
    `too many versions; unpublish some: a package has ${LIMITS.npmVersionsPerPackageMax} versions at most`,
  ],
  [
    ({ tags }) => Object.keys(tags).length,
    LIMITS.npmTagsPerPackageMax,
    `more than ${LIMITS.npmTagsPerPackageMax} dist-tags: remove some first`,
  ],
  [
    ({ manifestsLength = 0 }) => manifestsLength,
    LIMITS.npmManifestsLengthMax,
    `manifests of more than ${LIMITS.npmManifestsLengthMax} characters; unpublish some, or publish without what makes them so long`,
  ],
  [({ stars = [] }) => stars.length, LIMITS.npmStarsMax, `more than ${LIMITS.npmStarsMax} stars`],
  [
    // One publish brings so much at most; histories bring more on top of it.
    ({ fields }) => JSON.stringify(fields).length,
    LIMITS.npmManifestBytesMax,
    `descriptions of more than ${LIMITS.npmManifestBytesMax} characters, readme included`,
  ],
]
