import path from 'node:path'

import { MANIFEST_NAME } from '../../src/bundle/layout.ts'
import type { Manifest } from '../../src/bundle/manifest.ts'
import { readManifest, type ManifestDigests } from '../../src/bundle/read-tar.ts'
import { hasBlobsOf, hasFilesOf, readInventory, type Has, type HashedFile } from '../../src/bundle/delta.ts'
import { filePieces } from '../../src/node/file-pieces.ts'
import { openBundle } from '../../src/node/open-bundle.ts'
import { UsageError, type ParsedArgs } from '../cli.ts'
import { lastOf } from '../flags.ts'

/** What the other side has, as far as the flags tell. */
export interface Delta {
  readonly base?: string
  readonly has?: Has
}

/**
 * Read what `--since` or `--for` names, before anything long is begun.
 *
 * @returns what tells, of the files that were saved, which the other side has
 * @throws UsageError, and DepotError when it is no bundle, no manifest, or no inventory
 */
export async function readDelta(flags: ParsedArgs['flags']): Promise<(files: readonly HashedFile[]) => Promise<Delta>> {
  const [since, inventory] = [lastOf(flags, 'since'), lastOf(flags, 'for')]
  if (since !== undefined && inventory !== undefined) throw new UsageError('--since or --for, not both')
  if (since !== undefined) {
    const { manifest, digests } = await openManifest(since)
    return async () => ({ base: digests.sha256, has: hasFilesOf(manifest) })
  }
  if (inventory === undefined) return async () => ({})
  const read = (wanted: ReadonlySet<string>): Promise<ReadonlySet<string>> =>
    readInventory(filePieces(path.resolve(inventory)), wanted)
  // It may be longer than memory: once to see what it is, and again when it is known what to look for.
  await read(new Set())
  return async (files) => ({
    has: hasBlobsOf(await read(new Set(files.map(({ sha256, content }) => content ?? sha256)))),
  })
}

/** The manifest of a bundle of any form, or one that lies by itself. @throws DepotError as `openBundle` */
export async function openManifest(
  place: string,
): Promise<{ readonly manifest: Manifest; readonly digests: ManifestDigests; readonly signature: string | undefined }> {
  if (place !== '-' && (path.basename(place) === MANIFEST_NAME || place.endsWith('.json'))) {
    const read = await readManifest(filePieces(path.resolve(place)))
    return { ...read, signature: undefined }
  }
  await using bundle = await openBundle(place, () => process.stdin)
  return bundle
}
