import type { SaveRun } from '../../../src/client/runs.ts'
import { DepotError, hasCode } from '../../../src/errors.ts'
import { savedMetadataPath, savedTarballPath } from '../saved-paths.ts'
import type { FetchedSource } from './fetch-source.ts'
import type { Registry } from './registry.ts'
import { mergedMetadata, savedPackument, withTarballs } from './saved-metadata.ts'
import { samePromise } from './tarball-digests.ts'
import { membersIn, parseUpstreamPackument, type Members, type UpstreamPackument } from './upstream-packument.ts'

/**
 * Save what was fetched from elsewhere as the version that its package.json names. Never in the place of a version of the registry: a
 * fork that kept its number would be installed by everybody who means the original.
 *
 * @throws DepotError `CONFLICT` for such a fork, and what a download throws
 */
export async function publishSource(run: SaveRun, registry: Registry, source: FetchedSource): Promise<void> {
  const { folder, report } = run
  const { name, version, manifest, path, sizeBytes } = source
  try {
    const saved = await withTarballs(folder, await savedPackument(folder, name))
    const theirs = saved?.versions.get(version) ?? (await ofRegistry(registry, name, version))
    if (theirs !== undefined && !samePromise(membersIn(theirs, 'dist'), membersIn(manifest, 'dist')))
      throw taken(source)
    const item = `${name}@${version}`
    if (saved?.versions.has(version) === true) return report.add({ item, result: 'there' })
    await copyTo(run, path, savedTarballPath(name, version))
    const own = new Map([[version, theirs ?? manifest]])
    const none: UpstreamPackument = { name, document: { _id: name, name }, versions: own, tags: new Map() }
    await folder.write(savedMetadataPath(name), JSON.stringify(mergedMetadata(saved ?? none, own, saved)))
    report.add({ item, result: 'done', sizeBytes })
  } finally {
    await folder.remove(path)
  }
}

async function ofRegistry(registry: Registry, name: string, version: string): Promise<Members | undefined> {
  try {
    return parseUpstreamPackument(name, await registry.packument(name)).versions.get(version)
  } catch (error) {
    if (hasCode(error, 'NOT_FOUND')) return undefined
    throw error
  }
}

async function copyTo({ folder }: SaveRun, from: string, to: string): Promise<void> {
  const file = await folder.find(from)
  if (file === undefined) throw new DepotError('NOT_FOUND', `${from} is gone from the folder: start again`)
  await using receiving = await folder.receive(to, [])
  await receiving.restart()
  for await (const piece of (await file.blob()).stream()) await receiving.write(piece)
  await receiving.publish()
}

function taken({ name, version }: FetchedSource): DepotError {
  return new DepotError(
    'CONFLICT',
    `it calls itself ${name}@${version}, which is something else in the registry: give it a version of its own`,
  )
}
