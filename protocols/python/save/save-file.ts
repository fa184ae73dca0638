import { isRefusal } from '../../../src/client/fail-saved.ts'
import { place } from '../../../src/client/fetch-from.ts'
import type { SaveRun } from '../../../src/client/runs.ts'
import type { Hashes } from '../../../src/client/saved-files.ts'
import { DepotError, hasCode } from '../../../src/errors.ts'
import { LIMITS } from '../../../src/limits.ts'
import { INTEGRITY_TYPE, isProvenance } from '../provenance.ts'
import { failOne } from './fail-one.ts'
import { strongHashes, type IndexFile } from './index-page.ts'
import { agree } from './plan.ts'
import { readSavedEntry, writeSavedEntry, type Checked, type Notes, type SavedEntry } from './saved-entry.ts'

export interface FileToSave {
  readonly project: string
  readonly file: IndexFile
  /** What a lock promises. */
  readonly locked: Hashes
  /** To be noted with it. */
  readonly siblings?: Notes['siblings']
}

/** Where a file is in the folder. */
export function savedPath(project: string, filename: string): string {
  return `${project}/${filename}`
}

/**
 * Save one file with its metadata (PEP 658), its provenance (PEP 740) and, last, what the index says of it. Whatever was promised of its
 * digest is checked; a file of which nothing was promised is taken, and its sha256 noted. Reports what became of it.
 *
 * @returns whether it is there now
 * @throws DepotError for what ends the whole save
 */
export async function saveFile(run: SaveRun, wanted: FileToSave): Promise<boolean> {
  const { report } = run
  const { file, locked, project } = wanted
  const item = file.filename
  try {
    if (!agree(locked, file.hashes))
      throw new DepotError(
        'CONTENT_MISMATCH',
        'the index gives another hash than the lock file: one of them was changed',
      )
    const path = savedPath(project, item)
    const before = await readSavedEntry(run.folder, path)
    const promised = { ...file.hashes, ...locked }
    const known = Object.keys(promised).length > 0 ? promised : (before?.hashes ?? {})
    if (await isSaved(run, path, known, before)) {
      if (before === undefined) await saveBeside(run, file, path)
      await saveEntry(run, wanted, { path, before, hashes: known })
      report.add({ item, result: 'there' })
      return true
    }
    const { sizeBytes, hashes } = await run.download.file({
      url: file.url,
      folder: run.folder,
      path,
      expected: { hashes: promised, sizeBytes: file.sizeBytes },
      sizeBytesMax: LIMITS.blobBytesMax,
      algorithms: ['sha256'],
    })
    await saveBeside(run, file, path)
    await saveEntry(run, wanted, { path, before: undefined, hashes })
    report.add({ item, result: 'done', sizeBytes })
    return true
  } catch (error) {
    failOne(report, item, error)
    return false
  }
}

/** Whether a file is there with all that belongs to it, and is what was promised. Nobody is asked. */
export async function isWhole(run: SaveRun, path: string, promised: Hashes): Promise<boolean> {
  const entry = await readSavedEntry(run.folder, path)
  if (entry === undefined) return false
  const known = Object.keys(promised).length > 0 ? promised : entry.hashes
  if (!(await isSaved(run, path, known, entry))) return false
  await writeEntry(run, path, { fields: entry.fields, notes: entry.notes, before: entry })
  return true
}

/**
 * Whether the bytes of a file are there. Without any digest nothing shows that they are the right ones. A file that is as it was when it
 * was found right is not read again: a lock of a few dozen packages has some gigabytes.
 */
async function isSaved(
  { folder }: SaveRun,
  path: string,
  promised: Hashes,
  entry: SavedEntry | undefined,
): Promise<boolean> {
  const algorithms = Object.keys(promised) as (keyof Hashes)[]
  const file = await folder.find(path)
  if (algorithms.length === 0 || file === undefined) return false
  const isSame = (found: Hashes): boolean =>
    algorithms.every((algorithm) => found[algorithm] === promised[algorithm]?.toLowerCase())
  const { sizeBytes, modifiedMs } = entry?.notes.checked ?? {}
  const isUntouched = sizeBytes === file.sizeBytes && modifiedMs === file.modifiedMs
  if (isUntouched && isSame(entry?.hashes ?? {})) return true
  return isSame(await folder.hash(path, algorithms))
}

/** What installers and auditors read beside a file. What the index announces and does not let us have, is left out. */
async function saveBeside(
  run: SaveRun,
  { url, metadata, provenance, filename }: IndexFile,
  path: string,
): Promise<void> {
  if (metadata !== undefined)
    await saveAnnounced(run, `${filename}.metadata`, async () => {
      await run.download.file({
        url: metadataUrl(url),
        folder: run.folder,
        path: `${path}.metadata`,
        expected: { hashes: metadata },
        sizeBytesMax: LIMITS.packageMetadataBytesMax,
      })
    })
  if (provenance !== undefined)
    await saveAnnounced(run, `${filename}.provenance`, async () => {
      const { status, text } = await run.download.ask({
        url: provenance,
        accept: INTEGRITY_TYPE,
        bytesMax: LIMITS.pythonProvenanceBytesMax,
      })
      if (status === 404) throw new DepotError('NOT_FOUND', `${place(provenance)} answers 404`)
      if (!isProvenance(text)) throw new DepotError('BAD_REQUEST', `${place(provenance)} answers with something else`)
      await run.folder.write(`${path}.provenance`, text)
    })
}

async function saveAnnounced({ report }: SaveRun, item: string, save: () => Promise<void>): Promise<void> {
  try {
    await save()
  } catch (error) {
    if (!hasCode(error, 'NOT_FOUND') && !isRefusal(error)) throw error
    report.add({ item, result: 'left out', reason: `the index announces it and has it not: ${error.message}` })
  }
}

function metadataUrl(url: URL): URL {
  const metadata = new URL(url)
  metadata.pathname += '.metadata'
  return metadata
}

interface Known {
  readonly path: string
  readonly before: SavedEntry | undefined
  readonly hashes: Hashes
}

async function saveEntry(run: SaveRun, { file, siblings }: FileToSave, { path, before, hashes }: Known): Promise<void> {
  const known = Object.keys(file.hashes).length > 0
  const fields = known ? file.entry : { ...file.entry, hashes: strongHashes(Object.entries(hashes)) }
  const notes = { ...before?.notes, ...(siblings === undefined ? {} : { siblings }) }
  await writeEntry(run, path, { fields, notes, before })
}

/** With the file's size and time as they are now. */
async function writeEntry(
  { folder }: SaveRun,
  path: string,
  entry: Parameters<typeof writeSavedEntry>[2],
): Promise<void> {
  const { sizeBytes = 0, modifiedMs } = (await folder.find(path)) ?? {}
  const checked: Checked | undefined = modifiedMs === undefined ? undefined : { sizeBytes, modifiedMs }
  await writeSavedEntry(folder, path, { ...entry, notes: { ...entry.notes, ...(checked && { checked }) } })
}
