import { createHash } from 'node:crypto'
import { readdir } from 'node:fs/promises'
import path from 'node:path'

import type { HashedFile } from '../bundle/delta.ts'
import type { Manifest } from '../bundle/manifest.ts'
import type { BundleToWrite } from '../bundle/write-tar.ts'
import { parseSavedPath } from '../client/saved-files.ts'
import { DepotError, hasCode } from '../errors.ts'
import { LIMITS } from '../limits.ts'
import { systemCode } from '../thrown.ts'
import { filePieces } from './file-pieces.ts'
import { lockFolder } from './folder-lock.ts'
import { requireOnlyFiles } from './only-files.ts'
import { savedFiles } from './saved-files.ts'

/** What a bundle is made of. */
export interface SavedToBundle {
  /** Holds a folder for each ecosystem. */
  readonly root: string
  /** Names of these folders; one that is not there is left out. */
  readonly ecosystems: readonly string[]
  /** sha256 in hex of what is inside a compressed archive, when its path tells it. */
  readonly contentOf: (path: string) => string | undefined
  /** Is told of bytes that were read. */
  readonly moved: (bytes: number) => void
}

/**
 * Keep others from changing what is read, as far as that can be done: a medium that nobody writes to needs no lock.
 *
 * @throws DepotError `CONFLICT` when a folder is being filled, `NOT_FOUND` when there is none
 */
export async function lockSaved({ root, ecosystems }: SavedToBundle): Promise<AsyncDisposable> {
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
export async function hashSaved({ root, ecosystems, contentOf, moved }: SavedToBundle): Promise<HashedFile[]> {
  const files: HashedFile[] = []
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

/** The bytes of blobs, read from the files that were hashed. */
export function savedPieces(root: string, { files }: Manifest): BundleToWrite['pieces'] {
  const paths = new Map(files.filter(({ carried }) => carried).map(({ sha256, path: at }) => [sha256, at]))
  return ({ sha256 }, start) => filePieces(path.join(root, paths.get(sha256) ?? ''), start)
}

/** Write something of the files that were hashed. @throws DepotError `CONFLICT` when one of them has changed since */
export async function unchanged(root: string, write: () => Promise<void>): Promise<void> {
  try {
    await write()
  } catch (error) {
    if (!hasCode(error, 'CONTENT_MISMATCH') && !hasCode(error, 'NOT_FOUND')) throw error
    throw new DepotError('CONFLICT', `${root} was changed while the bundle was written: start again`, { cause: error })
  }
}
