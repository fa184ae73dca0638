import type { Depot, StagedBlob } from '../../src/depot.ts'
import { DepotError } from '../../src/errors.ts'
import type { BlobRow, RecordPut } from '../../src/kv-store.ts'
import { auditEntry, type Caller } from '../../src/protocol.ts'
import type { Distribution } from './filename.ts'
import { inspectDistribution, type Inspected } from './inspect.ts'
import {
  FILE_KIND,
  fileKey,
  fileRefs,
  LIST_KEY,
  LIST_KIND,
  parseFile,
  PROJECT_KIND,
  type PythonFile,
} from './records.ts'

/**
 * Make a staged distribution part of its project, after its bytes have been held against its name. The same bytes again change
 * nothing, except that a blob which storage had lost is back.
 *
 * @throws DepotError `CONFLICT` when the name is taken by other bytes, `CONTENT_MISMATCH` (400) when the archive is not what
 * its name says
 */
export async function storeFile(
  depot: Depot,
  caller: Caller,
  distribution: Distribution,
  staged: StagedBlob,
): Promise<'created' | 'unchanged'> {
  const key = fileKey(distribution.project, distribution.filename)
  const inspected = await inspectDistribution(staged, distribution)
  refuseOtherBytes(await depot.get(caller.cache, FILE_KIND, key).then((known) => known && parseFile(known)), staged)
  const blobs = await publish(depot, caller, staged, inspected)
  const file = describeFile(distribution, inspected, blobs, new Date())
  return depot.retryConflicts(async () => {
    const known = await depot.get(caller.cache, FILE_KIND, key)
    if (known !== undefined) {
      refuseOtherBytes(parseFile(known), staged)
      await depot.commit(caller.cache, { blobs })
      return 'unchanged'
    }
    await depot.commit(caller.cache, {
      puts: [
        { kind: FILE_KIND, key, value: JSON.stringify(file), expected: 0, refs: fileRefs(file) },
        ...(await touchProject(depot, caller, distribution.project, inspected.name)),
      ],
      blobs,
      audit: [auditEntry(caller, { action: 'python:write', resource: key, digest: file.sha256 })],
    })
    depot.events.recordWritten('python', key)
    return 'created'
  })
}

/** Replace what is known of a file, and let its project's pages be rendered anew. */
export async function updateFile(depot: Depot, caller: Caller, update: FileUpdate): Promise<void> {
  const { project, file, version } = update
  const key = fileKey(project, file.filename)
  await depot.commit(caller.cache, {
    puts: [
      { kind: FILE_KIND, key, value: JSON.stringify(file), expected: version, refs: fileRefs(file) },
      ...(await touchProject(depot, caller, project, project)),
    ],
    audit: [auditEntry(caller, { action: 'python:write', resource: key, digest: file.sha256 })],
  })
  depot.events.recordWritten('python', key)
}

export interface FileUpdate {
  /** Normalised project name. */
  readonly project: string
  readonly file: PythonFile
  /** Of the record that `file` was made from. */
  readonly version: number
}

function refuseOtherBytes(known: PythonFile | undefined, staged: StagedBlob): void {
  if (known === undefined || known.sha256 === staged.digest) return
  // twine looks for "already exist"; the digest tells whose bytes these are.
  throw new DepotError(
    'CONFLICT',
    `File already exists (${known.filename} with sha256 ${known.sha256}): publish other content under another version or build number`,
  )
}

async function publish(
  depot: Depot,
  caller: Caller,
  staged: StagedBlob,
  { metadata }: Inspected,
): Promise<readonly BlobRow[]> {
  const row = await staged.publish()
  if (metadata === undefined) return [row]
  await using beside = await depot.stage(caller.cache, once(metadata), { encoding: 'raw' })
  return [row, await beside.publish()]
}

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes
}

function describeFile(
  distribution: Distribution,
  inspected: Inspected,
  blobs: readonly BlobRow[],
  now: Date,
): PythonFile {
  const [content, metadata] = blobs
  return {
    filename: distribution.filename,
    version: distribution.version.text,
    sha256: content?.digest ?? '',
    sizeBytes: content?.sizeBytes ?? 0,
    ...(inspected.requiresPython === undefined ? {} : { requiresPython: inspected.requiresPython }),
    uploadTime: now.toISOString(),
    yanked: false,
    ...(metadata === undefined ? {} : { metadata: { sha256: metadata.digest } }),
  }
}

/**
 * A put of the project whatever its version is: two uploads at once both win. Only the first file of a project changes the
 * list of projects too.
 */
async function touchProject(
  depot: Depot,
  { cache }: Caller,
  project: string,
  name: string,
): Promise<readonly RecordPut[]> {
  const known = await depot.get(cache, PROJECT_KIND, project)
  if (known !== undefined) return [{ kind: PROJECT_KIND, key: project, value: known.value }]
  return [
    { kind: PROJECT_KIND, key: project, value: JSON.stringify({ name }), expected: 0 },
    { kind: LIST_KIND, key: LIST_KEY, value: '{}' },
  ]
}
