import path from 'node:path'

import type { BundledFile } from '../bundle/manifest.ts'
import type { SavedFolder } from '../client/saved-files.ts'
import { DepotError } from '../errors.ts'
import { requirePlainFolders } from './own-files.ts'
import { openSavedFolder } from './saved-folder.ts'

/** Where a bundle is unpacked. */
export interface Folders extends AsyncDisposable {
  /** The folder of a path's ecosystem, and the path in it. */
  place(path: string): { readonly folder: SavedFolder; readonly at: string }
}

/** Each ecosystem's folder is locked by itself, as a save does it. @throws DepotError `CONFLICT`, `INVALID_NAME` */
export async function openFolders(
  files: readonly BundledFile[],
  { root, ecosystems }: { readonly root: string; readonly ecosystems: readonly string[] },
): Promise<Folders> {
  const names = new Set(files.map(({ path: at }) => at.slice(0, at.indexOf('/'))))
  const strange = [...names].find((name) => !ecosystems.includes(name))
  if (strange !== undefined)
    throw new DepotError(
      'INVALID_NAME',
      `the bundle has files of ${strange}; this depot knows ${ecosystems.join(', ')}`,
    )
  await using opened = new AsyncDisposableStack()
  const folders = new Map<string, SavedFolder>()
  for (const name of names) await requirePlainFolders(root, `${name}/`)
  for (const name of names) folders.set(name, opened.use(await openSavedFolder(path.join(root, name))))
  const stack = opened.move()
  return {
    place(at) {
      const slash = at.indexOf('/')
      const folder = folders.get(at.slice(0, slash))
      if (folder === undefined) throw new TypeError(`${at} is in no folder of the bundle`)
      return { folder, at: at.slice(slash + 1) }
    },
    [Symbol.asyncDispose]: () => stack[Symbol.asyncDispose](),
  }
}
