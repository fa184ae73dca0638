import type { Depot } from '../../src/depot.ts'
import { DepotError } from '../../src/errors.ts'
import type { BlobRow } from '../../src/kv-store.ts'
import { LIMITS } from '../../src/limits.ts'
import { auditEntry, type Caller } from '../../src/protocol.ts'
import { changedProject, knownProject, readFiles, withoutFiles, type FileRecord } from './project.ts'
import { FILE_KIND, fileKey, fileRefs, isTombstone, type PythonFile } from './records.ts'
import { compareVersions, parseVersion, type Version } from './version.ts'

/** Which files of a project are meant. */
export type Chosen = 'all' | { readonly file: string } | { readonly version: Version }

/** What becomes of files whose bytes stay. */
export interface FileUpdate {
  /** What is to be known of each, and the version of its record until now. */
  readonly files: readonly { readonly file: PythonFile; readonly version: number }[]
  /** Stands behind each name in the audit log, which would not tell a yank from an upload otherwise. */
  readonly what: 'yanked' | 'unyanked' | 'entry' | 'provenance'
  /** Rows of what was published for it. */
  readonly blobs?: readonly BlobRow[]
}

/**
 * Replace what is known of files, and let their project's pages be rendered anew.
 *
 * @throws DepotError `WRITE_CONFLICT`
 */
export async function updateFiles(
  depot: Depot,
  caller: Caller,
  project: string,
  { files, what, blobs = [] }: FileUpdate,
): Promise<void> {
  const known = await knownProject(depot, caller.cache, project)
  await depot.commit(caller.cache, {
    puts: [
      ...files.map(({ file, version }) => ({
        kind: FILE_KIND,
        key: fileKey(project, file.filename),
        value: JSON.stringify(file),
        expected: version,
        refs: fileRefs(file),
      })),
      ...changedProject(known).puts,
    ],
    blobs,
    audit: files.map(({ file }) =>
      auditEntry(caller, {
        action: 'python:write',
        resource: `${fileKey(project, file.filename)} ${what}`,
        digest: file.sha256,
      }),
    ),
  })
  for (const { file } of files) depot.events.recordWritten('python', fileKey(project, file.filename))
}

/**
 * Yank files, or take that back (PEP 592); returns all that were meant. Who pins one by `==` still gets it.
 *
 * @throws DepotError `NOT_FOUND` when there is no such file
 */
export async function yankFiles(
  depot: Depot,
  caller: Caller,
  project: string,
  { chosen, yanked }: { readonly chosen: Chosen; readonly yanked: boolean | string },
): Promise<readonly PythonFile[]> {
  const what = yanked === false ? 'unyanked' : 'yanked'
  const yank = ({ file, version }: FileRecord<PythonFile>) => ({ file: { ...file, yanked }, version })
  const meant = await inBatches(depot, async () => {
    const files = chosenFiles(await readFiles(depot, caller.cache, project), chosen)
    const changing = files.filter(({ file }) => file.yanked !== yanked)
    const some = changing.slice(0, LIMITS.pythonChangedFilesMax)
    if (some.length > 0) await updateFiles(depot, caller, project, { files: some.map(yank), what })
    return { result: files, isWhole: some.length === changing.length }
  })
  return meant.map((record) => yank(record).file)
}

/** The files that would go. @throws DepotError `NOT_FOUND` when there is no such file */
export async function filesToDelete(
  depot: Depot,
  caller: Pick<Caller, 'cache'>,
  project: string,
  chosen: Chosen,
): Promise<readonly PythonFile[]> {
  return chosenFiles(await readFiles(depot, caller.cache, project), chosen).map(({ file }) => file)
}

/**
 * Delete files and return them. Their names stay taken, so that a name never means other bytes. A project without any file is in no
 * list and has no page; the bytes stay in storage, unreferenced.
 *
 * @throws DepotError `NOT_FOUND` when there is no such file
 */
export async function deleteFiles(
  depot: Depot,
  caller: Caller,
  project: string,
  chosen: Chosen,
): Promise<readonly PythonFile[]> {
  const gone: PythonFile[] = []
  return inBatches(depot, async () => {
    const known = await knownProject(depot, caller.cache, project)
    const live = (await readFiles(depot, caller.cache, project)).filter(isLive)
    const files = gone.length === 0 ? chosenFiles(live, chosen) : live.filter(({ file }) => isChosen(file, chosen))
    const some = files.slice(0, LIMITS.pythonChangedFilesMax)
    const deleted = new Date().toISOString()
    await depot.commit(caller.cache, {
      puts: [
        ...some.map(({ filename, file, version }) => ({
          kind: FILE_KIND,
          key: fileKey(project, filename),
          value: JSON.stringify({ deleted, digest: file.sha256 }),
          expected: version,
          refs: [],
        })),
        ...withoutFiles(known, some.length === live.length).puts,
      ],
      audit: some.map(({ filename, file }) =>
        auditEntry(caller, { action: 'python:delete', resource: fileKey(project, filename), digest: file.sha256 }),
      ),
    })
    gone.push(...some.map(({ file }) => file))
    return { result: gone, isWhole: some.length === files.length }
  })
}

/** One commit after the other until a batch was the last; each is tried again when another writer came first. */
async function inBatches<T>(depot: Depot, batch: () => Promise<{ result: T; isWhole: boolean }>): Promise<T> {
  for (;;) {
    const { result, isWhole } = await depot.retryConflicts(batch)
    if (isWhole) return result
  }
}

function isLive(record: FileRecord): record is FileRecord<PythonFile> {
  return !isTombstone(record.file)
}

function chosenFiles(records: readonly FileRecord[], chosen: Chosen): readonly FileRecord<PythonFile>[] {
  const files = records.filter(isLive).filter(({ file }) => isChosen(file, chosen))
  if (files.length > 0) return files
  const what = chosen === 'all' ? 'file' : 'file' in chosen ? 'file of that name' : `file of ${chosen.version.text}`
  throw new DepotError('NOT_FOUND', `the project has no ${what} here`)
}

function isChosen({ filename, version }: PythonFile, chosen: Chosen): boolean {
  if (chosen === 'all') return true
  if ('file' in chosen) return filename === chosen.file
  const own = parseVersion(version)
  return own !== undefined && compareVersions(own, chosen.version) === 0
}
