import { readdir, stat } from 'node:fs/promises'
import path from 'node:path'

import { systemCode } from '../../src/thrown.ts'
import { listLeftovers } from '../../storage/blob/leftovers.ts'
import type { ServeConfig } from '../settings/config.ts'
import { ok, warn, type Finding } from './finding.ts'
import { shellWord } from './shell-word.ts'
import { sizeText } from './sizes.ts'
import { storeFolders } from './store-folders.ts'

/** What processes that were killed have left: half uploads, half written keys. */
export async function checkLeftovers(config: ServeConfig): Promise<readonly Finding[]> {
  const { storePath, stores } = config
  // Uploads to a bucket wait below the folder of the depot itself.
  const roots = [storePath, ...(stores === undefined ? [path.join(storePath, 'blobs')] : storeFolders(config))]
  const [names, ...left] = await Promise.all([
    readdir(storePath).catch(absent),
    ...roots.map((root) => leftIn(path.join(root, 'tmp'))),
  ])
  const staged = left.flat()
  const half = names.filter((name) => HALF_WRITTEN.test(name))
  const files = [...staged, ...half.map((name) => path.join(storePath, name))]
  if (files.length === 0) return [ok('none')]
  const sizes = await Promise.all(
    files.map((file) =>
      stat(file).then(
        ({ size }) => size,
        () => 0,
      ),
    ),
  )
  const total = sizeText(sizes.reduce((sum, size) => sum + size, 0))
  const named = files.slice(0, SHOWN_MAX).map(shellWord).join(' ')
  return [
    warn(
      `${files.length} ${files.length === 1 ? 'file' : 'files'} (${total}) of processes that are gone; the next start removes uploads`,
      files.length <= SHOWN_MAX ? `rm -f ${named}` : `rm -f ${named}   (and so on, or start the server)`,
    ),
  ]
}

/** A key that was being written, or the probe of this command. */
const HALF_WRITTEN = /^(?:(?:npm-)?signing(?:-\d+)?\.key\.[\da-f]{12}|\.doctor-\w+)$/
const SHOWN_MAX = 8

async function leftIn(staging: string): Promise<readonly string[]> {
  return (await listLeftovers(staging).catch(absent)).map((name) => path.join(staging, name))
}

function absent(error: unknown): readonly string[] {
  const code = systemCode(error)
  if (code === 'ENOENT' || code === 'ENOTDIR') return []
  throw error
}
