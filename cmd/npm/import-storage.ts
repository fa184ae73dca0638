import { readdir } from 'node:fs/promises'
import path from 'node:path'

import { parsePackageName } from '../../protocols/npm/package-name.ts'
import { LIMITS } from '../../src/limits.ts'
import { messageOf } from '../../src/thrown.ts'
import { UsageError } from '../cli.ts'
import { findFile, readTextFile } from '../transfer/import-files.ts'

/** A package's folder, or why what stands at its place is none. */
export type StorageEntry =
  | { readonly name: string; readonly folder: string }
  | { readonly name: string; readonly problem: string }

/**
 * The packages of a Verdaccio storage by name: `<name>/package.json`, `@scope/<name>/package.json`, and what its database lists
 * besides. @throws UsageError when the folder is no such storage
 */
export async function* storedPackages(storage: string): AsyncGenerator<StorageEntry> {
  const listed = await hostedNames(storage)
  let found = 0
  for await (const entry of folders(storage, '')) {
    found++
    listed?.delete(entry.name)
    yield entry
  }
  if (found === 0 && (listed === undefined || listed.size === 0)) throw notAStorage(storage)
  for (const name of listed ?? []) yield { name, problem: `${DATABASE} lists it, but there is no folder of it` }
}

const DATABASE = '.verdaccio-db.json'

/** Names that were published to this Verdaccio itself; undefined when there is no database of them, as beside other storage plugins. */
async function hostedNames(storage: string): Promise<Set<string> | undefined> {
  const file = path.join(storage, DATABASE)
  try {
    if ((await findFile(file)) === undefined) return undefined
    const database: unknown = JSON.parse(await readTextFile(file, LIMITS.verdaccioDocumentBytesMax))
    const list = typeof database === 'object' && database !== null && 'list' in database ? database.list : undefined
    return new Set(Array.isArray(list) ? list.filter((name): name is string => typeof name === 'string') : [])
  } catch (error) {
    throw new UsageError(`${file} cannot be read: ${messageOf(error)}`)
  }
}

async function* folders(parent: string, scope: string): AsyncGenerator<StorageEntry> {
  const entries = await readdir(parent, { withFileTypes: true }).catch((error: unknown) => {
    throw scope === '' ? notAStorage(parent) : error
  })
  for (const entry of entries.sort((one, other) => (one.name < other.name ? -1 : 1))) {
    const name = scope + entry.name
    const folder = path.join(parent, entry.name)
    if (entry.isSymbolicLink()) yield { name, problem: 'it is a symbolic link' }
    else if (!entry.isDirectory() || entry.name.startsWith('.')) continue
    else if (scope === '' && entry.name.startsWith('@')) yield* folders(folder, `${name}/`)
    else if (!(await hasDocument(folder))) continue
    else if (parsePackageName(name) === undefined) yield { name, problem: 'that is not the name of a package' }
    else yield { name, folder }
  }
}

/** A link in its place counts too: it is told of when it is read. */
async function hasDocument(folder: string): Promise<boolean> {
  const document = await findFile(path.join(folder, 'package.json')).catch(() => true)
  return document !== undefined
}

function notAStorage(storage: string): UsageError {
  return new UsageError(`${storage} holds no packages of Verdaccio: its config.yaml says where they are, at 'storage:'`)
}
