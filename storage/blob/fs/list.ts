import { readdir } from 'node:fs/promises'
import { join } from 'node:path'

import type { BlobLocation } from '../../../src/blobs/blob-store.ts'
import { isMissing } from '../../fs-errors.ts'
import { isLocation } from '../location.ts'

interface Walk {
  readonly root: string
  readonly prefix: string
  readonly after: string
}

/** Levels of directories in a location: domain, `sha256`, two pairs of digits. */
const DIRECTORY_LEVELS = 4

/** Walk the tree in the order of locations, one directory in memory at each level; strange files are passed over. */
export async function* listLocations(root: string, prefix: string, after = ''): AsyncGenerator<BlobLocation> {
  yield* walk({ root, prefix, after }, '', 0)
}

async function* walk(options: Walk, parent: string, level: number): AsyncGenerator<BlobLocation> {
  if (level === DIRECTORY_LEVELS) {
    yield* (await names(options.root, parent, 'file')).map((name) => parent + name).filter(wanted(options))
    return
  }
  for (const name of await names(options.root, parent, 'directory')) {
    const path = `${parent}${name}/`
    if (mayHold(options, path)) yield* walk(options, path, level + 1)
  }
}

/** Whether locations that start with `path` can be among those that are asked for. */
function mayHold({ prefix, after }: Walk, path: string): boolean {
  if (!path.startsWith(prefix) && !prefix.startsWith(path)) return false
  return path > after || after.startsWith(path)
}

function wanted({ prefix, after }: Walk): (text: string) => text is BlobLocation {
  return (text): text is BlobLocation => isLocation(text) && text.startsWith(prefix) && text > after
}

async function names(root: string, parent: string, type: 'file' | 'directory'): Promise<string[]> {
  const entries = await readdir(join(root, parent), { withFileTypes: true }).catch((error: unknown) => {
    if (isMissing(error)) return [] // removed while we walked
    throw error
  })
  const kept = entries.filter((entry) => (type === 'file' ? entry.isFile() : entry.isDirectory()))
  // A directory sorts as the location does that goes on behind it: `a-b/` before `a/`.
  const sortName = (name: string) => (type === 'file' ? name : `${name}/`)
  return kept.map((entry) => entry.name).sort((a, b) => (sortName(a) < sortName(b) ? -1 : 1))
}
