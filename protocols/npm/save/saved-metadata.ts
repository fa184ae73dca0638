import type { SavedFolder } from '../../../src/client/saved-files.ts'
import { savedText } from '../../../src/client/saved-files.ts'
import { DepotError } from '../../../src/errors.ts'
import { LIMITS } from '../../../src/limits.ts'
import { savedMetadataPath, savedTarballPath } from '../saved-paths.ts'
import { highestVersion } from '../version.ts'
import { samePromise } from './tarball-digests.ts'
import {
  membersIn,
  parseUpstreamPackument,
  textsIn,
  type Members,
  type UpstreamPackument,
} from './upstream-packument.ts'

/** What the folder says of a package. Undefined for nothing, or for what cannot be read: it is then written anew. */
export async function savedPackument(folder: SavedFolder, name: string): Promise<UpstreamPackument | undefined> {
  const file = await folder.find(savedMetadataPath(name))
  if (file === undefined) return undefined
  try {
    return parseUpstreamPackument(name, await savedText(file, LIMITS.upstreamDocumentBytesMax))
  } catch (error) {
    if (error instanceof DepotError && error.code !== 'STORAGE_DOWN') return undefined
    throw error
  }
}

/** With those versions only whose tarball is there: a-h/depot saves all versions' manifests beside a few tarballs. */
export async function withTarballs(
  folder: SavedFolder,
  saved: UpstreamPackument | undefined,
): Promise<UpstreamPackument | undefined> {
  if (saved === undefined) return undefined
  const versions = new Map<string, Members>()
  for (const [version, manifest] of saved.versions)
    if ((await folder.find(savedTarballPath(saved.name, version))) !== undefined) versions.set(version, manifest)
  return { ...saved, versions }
}

/**
 * The packument cut down to some versions, brought together with what was saved before. What is said of a version stays as it came;
 * a tag stays where its version was saved, `latest` goes to the highest release of those when its own was not. What `latest` was then
 * stands in `_depot`, which also tells that the document was cut down: all versions in it were saved.
 *
 * @param added manifests of versions whose tarballs are there now
 */
export function mergedMetadata(
  upstream: UpstreamPackument,
  added: ReadonlyMap<string, Members>,
  saved: UpstreamPackument | undefined,
): Members {
  const versions = new Map<string, Members>()
  for (const version of new Set([...(saved?.versions.keys() ?? []), ...added.keys()])) {
    const manifest = added.get(version) ?? manifestOf(upstream.versions.get(version), saved?.versions.get(version))
    if (manifest !== undefined) versions.set(version, manifest)
  }
  const tags = new Map([...(saved?.tags ?? []), ...upstream.tags].filter(([, version]) => versions.has(version)))
  const latest = upstream.tags.get('latest')
  if (latest === undefined || !versions.has(latest)) tags.set('latest', highestVersion([...versions.keys()]) ?? '')
  const { _depot: _old, ...document } = upstream.document
  return {
    ...document,
    'dist-tags': Object.fromEntries(tags),
    versions: Object.fromEntries(versions),
    ...timesOf(upstream, versions, saved),
    _depot: latest === undefined || versions.has(latest) ? {} : { latest },
  }
}

/** What is said now, a deprecation for one, unless it is said of other bytes than those that were saved. */
function manifestOf(now: Members | undefined, saved: Members | undefined): Members | undefined {
  if (now === undefined || saved === undefined) return now ?? saved
  return samePromise(membersIn(now, 'dist'), membersIn(saved, 'dist')) ? now : saved
}

/** Of the versions that are kept, and of the package as a whole. None at all where the registry tells none. */
function timesOf(
  upstream: UpstreamPackument,
  versions: ReadonlyMap<string, Members>,
  saved: UpstreamPackument | undefined,
): Members {
  const kept = [...textsIn(saved?.document ?? {}, 'time'), ...textsIn(upstream.document, 'time')].filter(
    ([what]) => versions.has(what) || what === 'created' || what === 'modified',
  )
  const isTold = Object.keys(membersIn(upstream.document, 'time')).length > 0 || kept.length > 0
  return isTold ? { time: Object.fromEntries(kept) } : {}
}
