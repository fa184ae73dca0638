import path from 'node:path'

import type { BundledBlob } from '../bundle/layout.ts'
import type { BundledFile } from '../bundle/manifest.ts'
import { isMetadata, rank } from '../bundle/order.ts'
import { carriedBytes, findFaults } from '../bundle/verify.ts'
import { held } from '../bundle/write-tar.ts'
import { inParallel } from '../client/in-parallel.ts'
import type { Report } from '../client/report.ts'
import { DepotError, hasCode } from '../errors.ts'
import { bringFile } from './bring-file.ts'
import { openFolders, type Folders } from './import-folders.ts'
import { refuseClashes } from './name-clashes.ts'
import { filePieces } from './file-pieces.ts'
import type { OpenedBundle } from './open-bundle.ts'

export interface ImportOptions {
  readonly bundle: OpenedBundle
  /** Holds a folder for each ecosystem. */
  readonly root: string
  /** The folders that it may have. */
  readonly ecosystems: readonly string[]
  readonly report: Report
  /** What is not carried may be missing: it is somewhere else, where the rest will go too. */
  readonly incomplete?: boolean
}

/**
 * Bring everything of a bundle into a folder. Nothing becomes visible before all of the bundle was read and found whole, and before
 * all that it does not carry was found in the folder. What is there and right stays as it is, so that it can be started again; metadata
 * that differs is replaced, after what it names is there.
 *
 * @throws DepotError `CONTENT_MISMATCH` for a bundle that is not whole, `NOT_FOUND` when its base was not imported, `CONFLICT` when
 * something else lies where a file belongs, `STORAGE_FULL`, `STORAGE_DOWN`
 */
export async function importBundle(options: ImportOptions): Promise<void> {
  const { bundle, root, report } = options
  await using folders = await openFolders(bundle.manifest.files, options)
  await refuseClashes(bundle.manifest.files, root)
  const { wanted, there } = await compareFiles(folders, options)
  const bytes = wanted.reduce((sum, file) => sum + file.sizeBytes, carriedBytes(bundle))
  report.expect({ items: wanted.length + there.length, bytes })
  if (bundle.stored === undefined) await stageAll(bundle, folders, wanted, report)
  else refuseFaults(await findFaults(bundle, report.moved))
  const firsts = firstPaths([...there, ...wanted])
  for (const { path: item } of there) report.add({ item, result: 'there' })
  for (const group of inOrder(wanted)) {
    await inParallel(group, FILES_AT_ONCE, async (file) => {
      const { folder, at } = folders.place(file.path)
      const read = (start: number): AsyncIterable<Uint8Array> =>
        bundle.stored?.pieces(file, start) ?? filePieces(path.join(root, firsts.get(file.sha256) ?? file.path), start)
      await bringFile({ folder, path: at, blob: file, read, moved: report.moved })
      report.add({ item: file.path, result: 'done', sizeBytes: file.sizeBytes })
    })
  }
}

/** The disk flushes each file; more at once make it no faster. */
const FILES_AT_ONCE = 8
const TOLD_MAX = 10

interface Compared {
  /** What has to be written. */
  readonly wanted: readonly BundledFile[]
  readonly there: readonly BundledFile[]
}

/** @throws DepotError `NOT_FOUND`, `CONFLICT` */
async function compareFiles(folders: Folders, { bundle, root, incomplete = false }: ImportOptions): Promise<Compared> {
  const wanted: BundledFile[] = []
  const there: BundledFile[] = []
  const missing: string[] = []
  const other: string[] = []
  for (const file of bundle.manifest.files) {
    const { folder, at } = folders.place(file.path)
    const found = await folder.find(at)
    const right = found?.sizeBytes === file.sizeBytes && (await folder.hash(at, ['sha256'])).sha256 === file.sha256
    if (right) there.push(file)
    else if (!file.carried) missing.push(file.path)
    else if (found !== undefined && !isMetadata(file.path)) other.push(file.path)
    else wanted.push(file)
  }
  if (missing.length > 0 && !incomplete)
    throw new DepotError('NOT_FOUND', baseIsMissing(root, missing, bundle.manifest.base))
  if (other.length > 0)
    throw new DepotError(
      'CONFLICT',
      `${root} has other bytes than the bundle in ${some(other)}: remove them there if the bundle is right`,
    )
  return { wanted, there }
}

function baseIsMissing(root: string, missing: readonly string[], base: string | undefined): string {
  const next =
    base === undefined
      ? 'it was made for a depot that has them: give its URL'
      : `import first the bundle that it goes on from, whose manifest has the sha256 ${base}`
  return `the bundle does not carry ${some(missing)}, and ${root} lacks what belongs there; ${next}`
}

function some(paths: readonly string[]): string {
  const more = paths.length > TOLD_MAX ? ` and ${paths.length - TOLD_MAX} more` : ''
  return paths.slice(0, TOLD_MAX).join(', ') + more
}

/**
 * Read what can be read only once into the places where unfinished files wait, each blob under the first path that needs it.
 *
 * @throws DepotError `CONTENT_MISMATCH`; what came until then stays for the next run
 */
async function stageAll(
  bundle: OpenedBundle,
  folders: Folders,
  wanted: readonly BundledFile[],
  report: Report,
): Promise<void> {
  const firsts = firstPaths(wanted)
  try {
    for await (const blob of bundle.blobs()) {
      const first = firsts.get(blob.sha256)
      const pieces = held(blob, blob.pieces)
      if (first === undefined) for await (const piece of pieces) report.moved(piece.length)
      else await stage(folders.place(first), blob, pieces, report)
    }
  } catch (error) {
    if (hasCode(error, 'CONTENT_MISMATCH')) refuseFaults([error.message])
    throw error
  }
}

async function stage(
  { folder, at }: ReturnType<Folders['place']>,
  { sha256, sizeBytes }: BundledBlob,
  pieces: AsyncIterable<Uint8Array>,
  report: Report,
): Promise<void> {
  await using receiving = await folder.receive(at, ['sha256'])
  const isComplete = (): boolean => receiving.sizeBytes === sizeBytes && receiving.hashes().sha256 === sha256
  const there = isComplete()
  if (!there) await receiving.restart()
  try {
    for await (const piece of pieces) {
      if (!there) await receiving.write(piece)
      report.moved(piece.length)
    }
  } finally {
    // Half of a file that is to come again is of no use, and what was made up even less.
    if (!isComplete()) await receiving.restart()
  }
}

/** For each digest the path that becomes visible first, or was there. */
function firstPaths(files: readonly BundledFile[]): ReadonlyMap<string, string> {
  return new Map(
    inOrder(files)
      .flat()
      .toReversed()
      .map((file) => [file.sha256, file.path]),
  )
}

/** @throws DepotError `CONTENT_MISMATCH` */
export function refuseFaults(faults: readonly string[]): void {
  if (faults.length === 0) return
  throw new DepotError(
    'CONTENT_MISMATCH',
    `the bundle is not whole, and nothing of it was brought in: ${faults.slice(0, TOLD_MAX).join('; ')}`,
  )
}

/**
 * Groups of files, of which each has to be visible before the next begins: archives, what lies beside them, what names them; and of
 * those with the same bytes one before the others.
 */
function inOrder(files: readonly BundledFile[]): readonly (readonly BundledFile[])[] {
  const seen = new Set<string>()
  const groups: BundledFile[][] = [[], [], [], [], [], []]
  for (const place of [0, 1, 2]) {
    for (const file of files) {
      if (rank(file.path) !== place) continue
      groups[place * 2 + (seen.has(file.sha256) ? 1 : 0)]?.push(file)
      seen.add(file.sha256)
    }
  }
  return groups
}
