import { createHash } from 'node:crypto'

import type { Depot } from '../../src/depot.ts'
import { DepotError } from '../../src/errors.ts'
import type { Cache } from '../../src/kv-store.ts'
import { withDeprecation } from './package-record.ts'
import { tagsOf, type PackumentSource } from './packument.ts'
import {
  isTombstone,
  KIND,
  readPackage,
  readVersion,
  versionKey,
  type PackageRecord,
  type Tombstone,
  type VersionRecord,
} from './records.ts'
import type { Selector } from './version.ts'

/** A package record and the version it was read at; 0 for one that does not exist yet. */
export interface LoadedPackage {
  readonly record: PackageRecord
  readonly version: number
  /** npm's `_rev`: another one after every write. */
  readonly revision: string
}

/** The package's record, even when no version is left of it. */
export async function loadPackage(depot: Depot, cache: Cache, name: string): Promise<LoadedPackage | undefined> {
  const found = await depot.get(cache, KIND.package, name)
  if (found === undefined) return undefined
  const hash = createHash('sha256').update(found.value).digest('hex').slice(0, 32)
  return { record: readPackage(found.value), version: found.version, revision: `${found.version}-${hash}` }
}

/** @throws DepotError `NOT_FOUND` that names the package, for one of which every version was deleted too */
export async function requirePackage(depot: Depot, cache: Cache, name: string): Promise<LoadedPackage> {
  return requireLive(name, await loadPackage(depot, cache, name))
}

/** @throws DepotError as `requirePackage`, for a package that was loaded already */
export function requireLive(name: string, loaded: LoadedPackage | undefined): LoadedPackage {
  if (loaded === undefined || isEmpty(loaded.record)) throw packageMissing(name)
  return loaded
}

function isEmpty({ times }: PackageRecord): boolean {
  for (const version in times) if (Object.hasOwn(times, version)) return false
  return true
}

/** @throws DepotError `CONFLICT` when the package was written since a client read it */
export function requireRevision({ revision }: LoadedPackage, seen: string): void {
  if (revision !== seen) throw new DepotError('CONFLICT', 'somebody changed this package after you read it: try again')
}

export function packageMissing(name: string): DepotError {
  return new DepotError('NOT_FOUND', `the package ${name} is not in this depot`)
}

export function versionMissing(name: string, version: string): DepotError {
  return new DepotError('NOT_FOUND', `version ${version} of ${name} is not in this depot`)
}

/** What stands under the name of a version, and the version at which that was read. */
export interface FoundVersion {
  readonly record: VersionRecord | Tombstone
  readonly expected: number
}

/** What stands under the name of a version, be it a tombstone; undefined when nothing ever did, or that was forgotten. */
export async function findVersion(
  depot: Depot,
  cache: Cache,
  name: string,
  version: string,
): Promise<FoundVersion | undefined> {
  const found = await depot.get(cache, KIND.version, versionKey(name, version))
  return found === undefined ? undefined : { record: readVersion(found.value), expected: found.version }
}

/** A version that can be read; undefined for one that was never there, and for one that was deleted. */
export async function loadVersion(
  depot: Depot,
  cache: Cache,
  name: string,
  version: string,
): Promise<VersionRecord | undefined> {
  const record = (await findVersion(depot, cache, name, version))?.record
  return record === undefined || isTombstone(record) ? undefined : record
}

/** The version that a URL asks for, by number or by tag. @throws DepotError `NOT_FOUND` that says which of both is missing */
export async function requireVersion(
  depot: Depot,
  cache: Cache,
  name: string,
  selector: Selector,
): Promise<VersionRecord> {
  const { record } = await requirePackage(depot, cache, name)
  const tags = tagsOf(record)
  const byTag = 'tag' in selector
  const version = byTag ? ownValue(tags, selector.tag) : selector.version
  const found = version === undefined ? undefined : await loadVersion(depot, cache, name, version)
  if (found !== undefined && version !== undefined) return withDeprecation(record, version, found)
  if (!byTag) throw versionMissing(name, selector.version)
  throw new DepotError('NOT_FOUND', `the tag ${selector.tag} of ${name} is not in this depot`)
}

function ownValue(table: Readonly<Record<string, string>>, key: string): string | undefined {
  return Object.hasOwn(table, key) ? table[key] : undefined
}

/** Everything that a packument is made of, or undefined when there is no such package. */
export async function loadPackument(
  depot: Depot,
  cache: Cache,
  name: string,
): Promise<{ readonly source: Omit<PackumentSource, 'origin'>; readonly version: number } | undefined> {
  const loaded = await loadPackage(depot, cache, name)
  if (loaded === undefined || isEmpty(loaded.record)) return undefined
  const found = new Map<string, VersionRecord>()
  for await (const { key, value } of depot.all(cache, KIND.version, versionKey(name, ''))) {
    const record = readVersion(value)
    if (!isTombstone(record)) found.set(key.slice(name.length + 1), record)
  }
  // The package's record decides: a version that came in after it was read belongs to the next rendering.
  const versions = new Map<string, VersionRecord>()
  for (const version of Object.keys(loaded.record.times)) {
    const record = found.get(version)
    if (record !== undefined) versions.set(version, withDeprecation(loaded.record, version, record))
  }
  return { source: { name, record: loaded.record, versions, revision: loaded.revision }, version: loaded.version }
}
