import { createHash } from 'node:crypto'

import type { Depot } from '../../src/depot.ts'
import { DepotError } from '../../src/errors.ts'
import type { BlobRow, Cache, Commit, RecordDelete } from '../../src/kv-store.ts'
import { LIMITS } from '../../src/limits.ts'
import { auditEntry, type Caller } from '../../src/protocol.ts'
import type { Manifest } from './manifest.ts'
import { changedPackage, withDeprecation, type PackageChange } from './package-record.ts'
import { tagsOf, type PackumentSource } from './packument.ts'
import {
  isTombstone,
  KIND,
  readPackage,
  readVersion,
  versionKey,
  type PackageRecord,
  type VersionRecord,
} from './records.ts'
import { loadForWrite } from './tombstones.ts'
import type { SigningKey } from './signing.ts'
import { changeInTurn } from './turns.ts'
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
  const loaded = await loadPackage(depot, cache, name)
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

/** A version that can be read; undefined for one that was never there, and for one that was deleted. */
export async function loadVersion(
  depot: Depot,
  cache: Cache,
  name: string,
  version: string,
): Promise<VersionRecord | undefined> {
  const found = await depot.get(cache, KIND.version, versionKey(name, version))
  const record = found === undefined ? undefined : readVersion(found.value)
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
  const asked = byTag ? `the tag ${selector.tag}` : `version ${selector.version}`
  throw new DepotError('NOT_FOUND', `${asked} of ${name} is not in this depot`)
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

/** A version that is about to become visible. */
export interface NewVersion {
  readonly name: string
  readonly version: string
  readonly digest: string
  /** As it will be kept: `keptManifest`. */
  readonly manifest: Manifest
  /** What happens to the package's record besides. */
  readonly change: Omit<PackageChange, 'version' | 'now'>
  /** Puts the tarball's bytes into storage; absent when they are there. */
  readonly publish?: () => Promise<BlobRow>
  readonly puts?: Commit['puts']
  /** Signs the version, where there is a key. */
  readonly signer?: SigningKey | undefined
  /** The waiting tarball that this version is made from, as it was read. */
  readonly replaces?: RecordDelete
}

/**
 * Add a version in one commit: its manifest, its place in the package, its tarball. Of two writers of one version one wins;
 * two of different versions both do.
 *
 * @returns `known` when the version is there with the same bytes: nothing changes then
 * @throws DepotError `CONFLICT` when it is there with other bytes, or was deleted; `TOO_LARGE` for one version or dist-tag too many
 */
export async function addVersion(depot: Depot, caller: Caller, added: NewVersion): Promise<'created' | 'known'> {
  const { name, version, digest, manifest } = added
  const key = versionKey(name, version)
  const signature = await added.signer?.sign(name, version, manifest.dist?.integrity ?? '')
  const own = signature === undefined ? {} : { signatures: [signature] }

  const free = async (): Promise<boolean> => {
    const known = await loadForWrite(depot, caller.cache, name, version)
    if (known !== undefined && known.digest !== digest) throw cannotPublishOver(name, version)
    return known === undefined
  }
  // Asked before, so that bytes which nobody will want are not stored; and nobody waits for another one's disk.
  await free()
  const row = await added.publish?.()
  const blobs = row === undefined ? [] : [row]

  return changeInTurn(depot, caller.cache, name, async () => {
    if (!(await free())) {
      // The same bytes again: nothing changes, but sending a damaged tarball once more heals it.
      await depot.commit(caller.cache, { blobs })
      return 'known'
    }
    const loaded = await loadPackage(depot, caller.cache, name)
    const record = changedPackage(loaded?.record, { ...added.change, version, now: new Date().toISOString() })
    if (Object.keys(record.times).length > LIMITS.npmVersionsPerPackageMax) throw tooMany(name)
    await depot.commit(caller.cache, {
      puts: [
        { kind: KIND.version, key, value: JSON.stringify({ digest, manifest, ...own }), expected: 0, refs: [digest] },
        { kind: KIND.package, key: name, value: JSON.stringify(record), expected: loaded?.version ?? 0 },
        ...(added.puts ?? []),
      ],
      // A tarball that was sent alone has waited long enough.
      deletes: [added.replaces ?? { kind: KIND.tarball, key }],
      blobs,
      audit: [auditEntry(caller, { action: 'npm:write', resource: key, digest })],
    })
    depot.events.recordWritten('npm', key)
    return 'created'
  })
}

function tooMany(name: string): DepotError {
  const hint = `unpublish some: a package has ${LIMITS.npmVersionsPerPackageMax} versions at most`
  return new DepotError('TOO_LARGE', `${name} has too many versions; ${hint}`)
}

export function cannotPublishOver(name: string, version: string): DepotError {
  const message = `cannot publish over the existing version ${version} of ${name} with other bytes: choose a new version`
  return new DepotError('CONFLICT', message)
}
