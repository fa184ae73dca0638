import type { Hashes } from '../../../src/client/saved-files.ts'
import { findDistribution, type Distribution } from '../filename.ts'
import type { LockedFile, LockedVersion } from '../locks/lock-types.ts'
import { canonicalVersion, parseVersion } from '../version.ts'
import { hashesIn } from './index-page.ts'
import type { Resolution } from './resolver.ts'
import { haveWheelForAll, isWantedWheel, type Wanted } from './wheel-filter.ts'

/** When the sdist of a version is saved: always, where a wheel is missing, or never. */
export type SdistPolicy = 'always' | 'if-needed' | 'never'

/** A file whose name and digest are known before an index is asked. */
export interface KnownFile {
  readonly distribution: Distribution
  readonly hashes: Hashes
  /** Where the lock says that it is. */
  readonly url?: string
  readonly sizeBytes?: number
  readonly uploadTime?: string
}

/** A version that is to be saved. */
export interface PlannedVersion {
  readonly project: string
  /** As it was written first. */
  readonly version: string
  /** All its files, by name, as a lock lists them; empty when it does not. */
  readonly files: Map<string, KnownFile>
  /** Digests that its files may have: others are not taken. Empty for any. */
  readonly hashes: Set<string>
  /** For whom it was found; empty for all. */
  readonly targets: Set<Wanted>
}

/** What is to be saved: by project, by version. */
export type Plan = Map<string, Map<string, PlannedVersion>>

/** Take up what a lock names whole. Returns the names that are no distribution's. */
export function planFiles(plan: Plan, files: readonly LockedFile[]): readonly string[] {
  const strange: string[] = []
  for (const { project, version, filename, hashes, url, sizeBytes, uploadTime } of files) {
    const distribution = findDistribution(filename)
    if (distribution === undefined || distribution.project !== project) {
      strange.push(filename)
      continue
    }
    planned(plan, project, version).files.set(filename, {
      distribution,
      hashes,
      ...(url === undefined ? {} : { url }),
      ...(sizeBytes === undefined ? {} : { sizeBytes }),
      ...(uploadTime === undefined ? {} : { uploadTime }),
    })
  }
  return strange
}

/** Take up versions whose files an index has to tell, or only their addresses. */
export function planVersions(plan: Plan, versions: readonly LockedVersion[]): void {
  for (const { project, version, hashes, filenames = [] } of versions) {
    const { files, hashes: known, targets } = planned(plan, project, version)
    targets.clear()
    for (const { filename, hash } of filenames) {
      const distribution = findDistribution(filename)
      if (distribution?.project === project && !files.has(filename))
        files.set(filename, { distribution, hashes: hashesIn(hash) })
    }
    for (const hash of hashes) known.add(hash.toLowerCase())
  }
}

/** Take up versions that a resolver found, each for some targets or for all. */
export function planPins(plan: Plan, pins: Resolution['versions']): void {
  for (const { project, version, target } of pins) {
    const isNew = plan.get(project)?.has(versionKey(version)) !== true
    const { targets } = planned(plan, project, version)
    if (target === undefined) targets.clear()
    else if (isNew || targets.size > 0) targets.add(target)
  }
}

function planned(plan: Plan, project: string, version: string): PlannedVersion {
  const versions = plan.get(project) ?? new Map<string, PlannedVersion>()
  plan.set(project, versions)
  const key = versionKey(version)
  const found = versions.get(key) ?? { project, version, files: new Map(), hashes: new Set(), targets: new Set() }
  versions.set(key, found)
  return found
}

/** The same for all spellings of a version. */
export function versionKey(version: string): string {
  const parsed = parseVersion(version)
  return parsed === undefined ? version : canonicalVersion(parsed)
}

/** Whether a file is one of a version. */
export function isOfVersion({ version }: Distribution, key: string): boolean {
  return canonicalVersion(version) === key
}

/** Digests as lock files write them: `sha256:…`. */
export function spelled(hashes: Hashes): readonly string[] {
  return Object.entries(hashes).map(([algorithm, hash]) => `${algorithm}:${hash.toLowerCase()}`)
}

/** Whether one of a file's digests is among those that are allowed. */
export function isAmong(hashes: Hashes, allowed: ReadonlySet<string>): boolean {
  return spelled(hashes).some((hash) => allowed.has(hash))
}

export interface Choosing {
  /** For whom; each of them is to have what it needs. */
  readonly targets: readonly Wanted[]
  readonly sdists: SdistPolicy
}

/** Of all files of one version, those that are to be saved. */
export function chooseFiles<T extends { readonly distribution: Distribution }>(
  files: readonly T[],
  { targets, sdists }: Choosing,
): readonly T[] {
  const isWanted = (wheel: Distribution): boolean => targets.some((target) => isWantedWheel(wheel, target))
  const wheels = files.filter(({ distribution }) => distribution.kind === 'wheel' && isWanted(distribution))
  const sources = files.filter(({ distribution }) => distribution.kind === 'sdist')
  const distributions = wheels.map(({ distribution }) => distribution)
  const haveAll = targets.every((target) => haveWheelForAll(distributions, target))
  return sdists === 'never' || (sdists === 'if-needed' && haveAll) ? wheels : [...wheels, ...sources]
}

/** Whether two lists of digests can be of one file: what both of them have is the same. */
export function agree(one: Hashes, other: Hashes): boolean {
  return Object.entries(one).every(([algorithm, hash]) => {
    const same = other[algorithm as keyof Hashes]
    return same === undefined || same.toLowerCase() === hash.toLowerCase()
  })
}
