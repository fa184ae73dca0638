import { failSaved } from '../../../src/client/fail-saved.ts'
import { inParallel } from '../../../src/client/in-parallel.ts'
import type { SaveRun } from '../../../src/client/runs.ts'
import type { Downloaded } from '../../../src/client/receive-body.ts'
import type { Hashes } from '../../../src/client/saved-files.ts'
import { DepotError, hasCode } from '../../../src/errors.ts'
import { LIMITS } from '../../../src/limits.ts'
import { savedMetadataPath, savedTarballPath } from '../saved-paths.ts'
import type { Registry } from './registry.ts'
import { saveAttestations } from './save-attestations.ts'
import { mergedMetadata, savedPackument, withTarballs } from './saved-metadata.ts'
import { promisedDigests, samePromise } from './tarball-digests.ts'
import { membersIn, type Members, type UpstreamPackument } from './upstream-packument.ts'

export interface PackageSave extends Pick<SaveRun, 'folder' | 'download' | 'report'> {
  readonly registry: Registry
  readonly name: string
  /** By version, the integrity strings that lock files have for it. */
  readonly wanted: ReadonlyMap<string, readonly string[]>
  /** What the registry says of the package; asked once, when it is needed. @throws DepotError */
  packument(): Promise<UpstreamPackument>
  /** It is known already: what it says of tags and deprecations is written, also when no version is missing. */
  readonly refresh: boolean
}

/** Something that is in the folder now, and was not before. */
interface Fetched {
  readonly version: string
  readonly sizeBytes: number
  /** What its metadata says. */
  readonly manifest: Members
}

/** Save some versions of a package: tarballs, provenance, then the metadata that names them. Returns whether something was fetched. */
export async function savePackage(save: PackageSave): Promise<boolean> {
  const { report, name, wanted } = save
  const open = new Set(wanted.keys())
  try {
    const done = await saveVersions(save, (version) => open.delete(version))
    for (const { version, sizeBytes } of done) report.add({ item: `${name}@${version}`, result: 'done', sizeBytes })
    return done.length > 0
  } catch (error) {
    if (open.size === 0) failSaved(report, name, error)
    for (const version of open) failSaved(report, `${name}@${version}`, error)
    return false
  }
}

/** Returns what was fetched, once it may be told. @param told is called for each version that has been reported */
async function saveVersions(save: PackageSave, told: (version: string) => void): Promise<readonly Fetched[]> {
  const { folder, report, name, wanted, refresh } = save
  const known = await savedPackument(folder, name)
  const missing: string[] = []
  for (const [version, locked] of wanted) {
    if (await isThere(save, version, locked, known)) {
      report.add({ item: `${name}@${version}`, result: 'there' })
      told(version)
    } else missing.push(version)
  }
  if (missing.length === 0 && !refresh) return []
  const saved = await withTarballs(folder, known)
  const upstream = await save.packument()
  const fetched: Fetched[] = []
  await inParallel(missing, LIMITS.transferAtOnce, async (version) => {
    const done = await saveVersion(save, version, upstream, saved)
    if (done === undefined) told(version)
    else fetched.push(done)
  })
  await writeMetadata(save, upstream, fetched, saved)
  return fetched
}

/** Whether a version is in the folder with the right bytes. */
async function isThere(
  { folder, name }: PackageSave,
  version: string,
  locked: readonly string[],
  known: UpstreamPackument | undefined,
): Promise<boolean> {
  const manifest = known?.versions.get(version)
  if (manifest === undefined) return false
  try {
    const promised = promisedDigests(`${name}@${version}`, membersIn(manifest, 'dist'), locked)
    return await hasDigests({ folder }, savedTarballPath(name, version), promised)
  } catch (error) {
    // What the folder's metadata says against the lock file is the registry's to confirm.
    if (hasCode(error, 'CONTENT_MISMATCH') || hasCode(error, 'NOT_FOUND')) return false
    throw error
  }
}

async function hasDigests({ folder }: Pick<SaveRun, 'folder'>, path: string, promised: Hashes): Promise<boolean> {
  const algorithms = Object.keys(promised) as (keyof Hashes)[]
  if (algorithms.length === 0) return false
  const found = await folder.hash(path, algorithms)
  return algorithms.every((algorithm) => found[algorithm] === promised[algorithm])
}

/** Undefined when it failed, which has been reported. */
async function saveVersion(
  save: PackageSave,
  version: string,
  upstream: UpstreamPackument,
  saved: UpstreamPackument | undefined,
): Promise<Fetched | undefined> {
  const { name, report, wanted } = save
  const item = `${name}@${version}`
  try {
    const manifest = upstream.versions.get(version)
    if (manifest === undefined) throw new DepotError('NOT_FOUND', 'the registry has no such version')
    const dist = membersIn(manifest, 'dist')
    const promised = promisedDigests(item, dist, wanted.get(version) ?? [])
    const before = saved?.versions.get(version)
    if (before !== undefined && !samePromise(dist, membersIn(before, 'dist'))) throw changed(item)
    const { sizeBytes, hashes } = await saveTarball(save, version, dist, promised)
    await saveAttestations(save, version, dist)
    if (Object.keys(promised).length > 0) return { version, sizeBytes, manifest }
    // Nobody promised anything: from now on it is these bytes.
    const integrity = `sha512-${Buffer.from(hashes.sha512 ?? '', 'hex').toString('base64')}`
    return { version, sizeBytes, manifest: { ...manifest, dist: { ...dist, integrity } } }
  } catch (error) {
    failSaved(report, item, error)
    return undefined
  }
}

async function saveTarball(save: PackageSave, version: string, dist: Members, promised: Hashes): Promise<Downloaded> {
  const { folder, download, registry, name } = save
  const path = savedTarballPath(name, version)
  const there = await folder.find(path)
  // From a run that was stopped before it came to the metadata.
  if (there !== undefined && (await hasDigests(save, path, promised)))
    return { sizeBytes: there.sizeBytes, hashes: promised }
  return await download.file({
    url: registry.tarball(name, version, dist),
    folder,
    path,
    expected: { hashes: promised },
    sizeBytesMax: LIMITS.npmTarballBytesMax,
    algorithms: Object.keys(promised).length === 0 ? ['sha512'] : [],
  })
}

async function writeMetadata(
  { folder, name }: PackageSave,
  upstream: UpstreamPackument,
  fetched: readonly Fetched[],
  saved: UpstreamPackument | undefined,
): Promise<void> {
  const added = new Map(fetched.map(({ version, manifest }) => [version, manifest]))
  if (added.size === 0 && (saved?.versions.size ?? 0) === 0) return
  const text = JSON.stringify(mergedMetadata(upstream, added, saved))
  if (added.size === 0 && text === JSON.stringify(saved?.document)) return
  await folder.write(savedMetadataPath(name), text)
}

function changed(item: string): DepotError {
  const hint = 'if that is meant, delete the old tarball from the folder'
  return new DepotError(
    'CONTENT_MISMATCH',
    `the registry now has other bytes for ${item} than were saved before: ${hint}`,
  )
}
