import type { Dirent } from 'node:fs'
import { readdir } from 'node:fs/promises'
import path from 'node:path'

import { parseDevpiIndex, recognise, type DevpiFile } from '../../protocols/python/wheelhouse.ts'
import type { Distribution } from '../../protocols/python/filename.ts'
import { LIMITS } from '../../src/limits.ts'
import { messageOf } from '../../src/thrown.ts'
import { UsageError } from '../cli.ts'
import { findFile, readTextFile } from '../transfer/import-files.ts'

/** A file below the folder: a distribution, or why it is left out or cannot be taken. `item` is its path below the folder. */
export type FolderEntry = { readonly item: string } & (
  | { readonly path: string; readonly distribution: Distribution; readonly devpi: DevpiFile | undefined }
  | { readonly leftOut: string }
  | { readonly failed: string }
)

/**
 * Everything in a folder and the folders in it, by name. In an export of devpi, or an index of one, with what its list says.
 *
 * @throws UsageError when there is no such folder
 */
export async function* folderEntries(folder: string): AsyncGenerator<FolderEntry> {
  const devpi = await devpiExport(folder)
  for await (const entry of walk(folder, '', 0)) {
    if (!('path' in entry)) yield entry
    else yield { ...entry, devpi: devpi?.files.get(path.relative(devpi.root, entry.path)) }
  }
}

type Walked = Exclude<FolderEntry, { devpi: unknown }> | { item: string; path: string; distribution: Distribution }

async function* walk(root: string, below: string, depth: number): AsyncGenerator<Walked> {
  const parent = path.join(root, below)
  const entries = await readdir(parent, { withFileTypes: true }).catch((error: unknown) => {
    if (depth === 0) throw new UsageError(`${root} cannot be read: ${messageOf(error)}`)
    return undefined
  })
  if (entries === undefined) yield { item: below, failed: 'the folder cannot be read' }
  for (const entry of entries?.sort((one, other) => (one.name < other.name ? -1 : 1)) ?? []) {
    const item = path.join(below, entry.name)
    if (entry.name.startsWith('.') || item === DEVPI_INDEX) continue
    if (!entry.isDirectory()) yield fileEntry(item, path.join(parent, entry.name), entry)
    else if (depth < LIMITS.importDepthMax) yield* walk(root, item, depth + 1)
    else yield { item, failed: `it lies more than ${LIMITS.importDepthMax} folders deep` }
  }
}

function fileEntry(item: string, file: string, entry: Dirent): Walked {
  if (entry.isSymbolicLink()) return { item, failed: 'it is a symbolic link' }
  const found = recognise(path.basename(item))
  if ('reason' in found) return { item, leftOut: found.reason }
  if (!entry.isFile()) return { item, failed: 'it is not a file' }
  return { item, path: file, distribution: found.distribution }
}

const DEVPI_INDEX = 'dataindex.json'

/** The export that the folder is, or that it is one index of (`EXPORT/user/index`). */
async function devpiExport(
  folder: string,
): Promise<{ readonly root: string; readonly files: ReadonlyMap<string, DevpiFile> } | undefined> {
  for (const root of [folder, path.join(folder, '..', '..')]) {
    const file = path.join(root, DEVPI_INDEX)
    try {
      if ((await findFile(file)) === undefined) continue
      return { root, files: parseDevpiIndex(await readTextFile(file, LIMITS.devpiIndexBytesMax)) }
    } catch (error) {
      throw new UsageError(`${file} cannot be used: ${messageOf(error)}`)
    }
  }
  return undefined
}
