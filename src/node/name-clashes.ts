import { randomUUID } from 'node:crypto'
import { readdir, rm, writeFile } from 'node:fs/promises'
import path from 'node:path'

import { findClash } from '../bundle/clashes.ts'
import type { BundledFile } from '../bundle/manifest.ts'
import { DepotError } from '../errors.ts'
import { translated } from './disk-errors.ts'
import { makeDirectoryDurably } from './durable-directories.ts'
import { filePieces } from './file-pieces.ts'

/** On a disk that takes two of its names for one, one file would replace another. @throws DepotError `CONFLICT` */
export async function refuseClashes(files: readonly BundledFile[], root: string): Promise<void> {
  await translated(root, () => makeDirectoryDurably(root))
  if (await tellsNamesApart(root)) return
  const clash = findClash(files.map(({ path: at }) => at))
  if (clash === undefined) return
  throw new DepotError(
    'CONFLICT',
    `the disk of ${root} takes ${clash[0]} and ${clash[1]} for one: import on one that heeds case and Unicode forms`,
  )
}

async function tellsNamesApart(root: string): Promise<boolean> {
  const probe = `.probe-é-${randomUUID()}`
  const file = path.join(root, probe.normalize('NFC'))
  await translated(root, () => writeFile(file, ''))
  try {
    // A name that is found in another spelling is there under that one too.
    for (const other of [probe.toUpperCase(), probe.normalize('NFD')]) {
      const found = await filePieces(path.join(root, other))
        .next()
        .catch(() => undefined)
      if (found !== undefined) return false
    }
    return (await readdir(root)).includes(probe.normalize('NFC'))
  } finally {
    await rm(file, { force: true })
  }
}
