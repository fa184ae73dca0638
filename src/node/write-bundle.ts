import { readdir } from 'node:fs/promises'
import path from 'node:path'

import { blobName, BLOBS, carriedBlobs, MANIFEST_NAME, SIGNATURE_NAME, type BundledBlob } from '../bundle/layout.ts'
import { printManifest } from '../bundle/manifest.ts'
import { writeTarBundle, type BundleToWrite } from '../bundle/write-tar.ts'
import { inParallel } from '../client/in-parallel.ts'
import type { SavedFolder } from '../client/saved-files.ts'
import { writeZstd } from '../codec/zstd-writer.ts'
import { gathered } from '../gathered.ts'
import { bringFile } from './bring-file.ts'
import { openSavedFolder } from './saved-folder.ts'

/** Write the tar form. @param level of compression; undefined for none */
export async function writeBundleFile(
  write: (bytes: Uint8Array) => Promise<void>,
  bundle: BundleToWrite,
  level: number | undefined,
): Promise<void> {
  const tar = writeTarBundle(bundle)
  for await (const block of gathered(level === undefined ? tar : writeZstd(tar, level))) await write(block)
}

/**
 * Write the folder form, or go on with one that was left. It is a bundle when its manifest is there, which comes last; blobs that
 * are there and right stay as they are, and those of an earlier bundle go.
 *
 * @throws DepotError `CONFLICT` when another process writes there, `STORAGE_FULL`, `STORAGE_DOWN`
 */
export async function writeBundleFolder(
  target: string,
  bundle: BundleToWrite,
  moved: (bytes: number) => void,
): Promise<void> {
  await using folder = await openSavedFolder(target)
  await folder.remove(MANIFEST_NAME)
  await folder.remove(SIGNATURE_NAME)
  const blobs = carriedBlobs(bundle.manifest.files)
  await removeOthers(folder, target, blobs)
  await inParallel(blobs, FILES_AT_ONCE, async (blob) => {
    const at = blobName(blob.sha256)
    const there = await folder.find(at)
    if (there?.sizeBytes === blob.sizeBytes && (await folder.hash(at, ['sha256'])).sha256 === blob.sha256)
      return moved(blob.sizeBytes)
    await bringFile({ folder, path: at, blob, read: (start) => bundle.pieces(blob, start), moved })
  })
  if (bundle.signature !== undefined) await folder.write(SIGNATURE_NAME, bundle.signature)
  await folder.write(MANIFEST_NAME, [...printManifest(bundle.manifest)].join(''))
}

/** As many as an import writes. */
const FILES_AT_ONCE = 8

async function removeOthers(folder: SavedFolder, target: string, blobs: readonly BundledBlob[]): Promise<void> {
  const known = new Set(blobs.map(({ sha256 }) => sha256))
  for (const name of await readdir(path.join(target, BLOBS)).catch(() => []))
    if (!known.has(name) && !name.startsWith('.')) await folder.remove(`${BLOBS}/${name}`)
}
