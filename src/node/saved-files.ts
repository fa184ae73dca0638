import { openAsBlob } from 'node:fs'
import { lstat, readdir } from 'node:fs/promises'
import path from 'node:path'

import { parseSavedPath, type SavedFile, type SavedFiles } from '../client/saved-files.ts'
import { hasCode } from '../errors.ts'
import { openPlain, unreadable } from './file-pieces.ts'
import { isMissing } from './own-files.ts'

/**
 * Read a folder that was saved, or that came by `rsync`. Links in it are not followed: they may lead anywhere.
 *
 * @throws DepotError `STORAGE_DOWN` where something cannot be read
 */
export function savedFiles(root: string): SavedFiles {
  return {
    async *list(folder) {
      yield* walk(root, folder === undefined ? [] : parseSavedPath(folder).split('/'))
    },
    async find(at) {
      return (await isBehindLink(root, parseSavedPath(at))) ? undefined : fileAt(root, at)
    },
  }
}

async function isBehindLink(root: string, at: string): Promise<boolean> {
  for (let end = at.indexOf('/'); end !== -1; end = at.indexOf('/', end + 1)) {
    const found = await lstat(path.join(root, at.slice(0, end))).catch(() => undefined)
    if (found?.isSymbolicLink() === true) return true
  }
  return false
}

/** In the order of their bytes: names of one folder are sorted with a `/` behind those of folders. */
async function* walk(root: string, names: readonly string[]): AsyncGenerator<SavedFile> {
  const folder = path.join(root, ...names)
  const entries = await readdir(folder, { withFileTypes: true }).catch((error: unknown) => {
    if (isMissing(error)) return []
    throw unreadable(folder, error)
  })
  const named = entries
    .filter((entry) => !entry.name.startsWith('.') && (entry.isFile() || entry.isDirectory()))
    .map((entry) => ({ entry, order: Buffer.from(entry.isDirectory() ? `${entry.name}/` : entry.name) }))
    .sort((a, b) => a.order.compare(b.order))
  for (const { entry } of named) {
    const inner = [...names, entry.name]
    if (entry.isDirectory()) yield* walk(root, inner)
    else {
      const found = await fileAt(root, inner.join('/'))
      if (found !== undefined) yield found
    }
  }
}

async function fileAt(root: string, at: string): Promise<SavedFile | undefined> {
  const file = path.join(root, at)
  try {
    await using handle = await openPlain(file)
    const { size, mtimeMs } = await handle.stat()
    return { path: at, sizeBytes: size, modifiedMs: mtimeMs, blob: () => openAsBlob(file) }
  } catch (error) {
    if (hasCode(error, 'NOT_FOUND')) return undefined
    throw error
  }
}
