import { createHash } from 'node:crypto'
import { readdir } from 'node:fs/promises'
import path from 'node:path'

import type { Has } from '../bundle/delta.ts'
import { blobName, BLOBS, carriedBlobs, MANIFEST_NAME, SIGNATURE_NAME, type BundledBlob } from '../bundle/layout.ts'
import { printManifest, type BundledFile, type Manifest } from '../bundle/manifest.ts'
import { writeTarBundle, type BundleToWrite } from '../bundle/write-tar.ts'
import { inParallel } from '../client/in-parallel.ts'
import { parseSavedPath, type SavedFolder } from '../client/saved-files.ts'
import { writeZstd } from '../codec/zstd-writer.ts'
import { DepotError, hasCode } from '../errors.ts'
import { gathered } from '../gathered.ts'
import { LIMITS } from '../limits.ts'
import { systemCode } from '../thrown.ts'
import { bringFile } from './bring-file.ts'
import { filePieces } from './file-pieces.ts'
import { lockFolder } from './folder-lock.ts'
import { requireOnlyFiles } from './only-files.ts'
import { savedFiles } from './saved-files.ts'
import { openSavedFolder } from './saved-folder.ts'

export interface Inventory {
  /** Holds a folder for each ecosystem. */
  readonly root: string
  /** Names of these folders; one that is not there is left out. */
  readonly ecosystems: readonly string[]
  /** sha256 in hex of what is inside a compressed archive, when its path tells it. */
  readonly contentOf: (path: string) => string | undefined
  /** Is told of bytes that were read. */
  readonly moved: (bytes: number) => void
}

/** A file without what the other side has of it. */
export type InventoriedFile = Omit<BundledFile, 'carried'>

/**
 * Keep others from changing what is read, as far as that can be done: a medium that nobody writes to needs no lock.
 *
 * @throws DepotError `CONFLICT` when a folder is being filled, `NOT_FOUND` when there is none
 */
export async function lockInventory({ root, ecosystems }: Inventory): Promise<AsyncDisposable> {
  const names = await readdir(root).catch((error: unknown): string[] => {
    if (systemCode(error) === undefined) throw error
    return []
  })
  const found = ecosystems.filter((name) => names.includes(name))
  if (found.length === 0)
    throw new DepotError('NOT_FOUND', `${root} has no folder ${ecosystems.join(', ')}: name what was saved with --dir`)
  await using locks = new AsyncDisposableStack()
  for (const name of found) {
    try {
      locks.use(await lockFolder(path.join(root, name)))
    } catch (error) {
      if (!['EROFS', 'EACCES', 'EPERM'].includes(systemCode(error) ?? '')) throw error
    }
  }
  return locks.move()
}

/** Read and hash everything that was saved. @throws DepotError `INVALID_NAME` for what no other system takes, `TOO_LARGE` */
export async function takeInventory({ root, ecosystems, contentOf, moved }: Inventory): Promise<InventoriedFile[]> {
  const files: InventoriedFile[] = []
  const all = savedFiles(root)
  for (const ecosystem of [...ecosystems].sort()) {
    await requireOnlyFiles(path.join(root, ecosystem))
    for await (const file of all.list(ecosystem)) {
      const hash = createHash('sha256')
      let sizeBytes = 0
      for await (const piece of filePieces(path.join(root, parseSavedPath(file.path)))) {
        hash.update(piece)
        sizeBytes += piece.length
        moved(piece.length)
      }
      const content = contentOf(file.path)
      const sha256 = hash.digest('hex')
      files.push({ path: file.path, sha256, sizeBytes, ...(content === undefined ? {} : { content }) })
      if (files.length > LIMITS.bundleFilesMax)
        throw new DepotError('TOO_LARGE', `more than ${LIMITS.bundleFilesMax} files do not fit into one bundle`)
    }
  }
  return files
}

/** What a bundle is to be of: everything, or what the other side lacks. */
export function manifestOf(
  files: readonly InventoriedFile[],
  { created, base, has }: { readonly created: string; readonly base?: string | undefined; readonly has?: Has },
): Manifest {
  return {
    created,
    ...(base === undefined ? {} : { base }),
    files: files.map((file) => ({ ...file, carried: has?.(file) !== true })),
  }
}

/** The bytes of blobs, read from the files that were inventoried. */
export function inventoriedPieces(root: string, { files }: Manifest): BundleToWrite['pieces'] {
  const paths = new Map(files.filter(({ carried }) => carried).map(({ sha256, path: at }) => [sha256, at]))
  return ({ sha256 }, start) => filePieces(path.join(root, paths.get(sha256) ?? ''), start)
}

/** Write something of the files that were inventoried. @throws DepotError `CONFLICT` when one of them has changed since */
export async function unchanged(root: string, write: () => Promise<void>): Promise<void> {
  try {
    await write()
  } catch (error) {
    if (!hasCode(error, 'CONTENT_MISMATCH') && !hasCode(error, 'NOT_FOUND')) throw error
    throw new DepotError('CONFLICT', `${root} was changed while the bundle was written: start again`, { cause: error })
  }
}

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
