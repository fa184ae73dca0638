import type { Depot, StagedBlob } from '../../src/depot.ts'
import { DepotError } from '../../src/errors.ts'
import type { BlobRow, Cache, RecordPut } from '../../src/kv-store.ts'
import { onePiece } from '../../src/one-piece.ts'
import { auditEntry, type Caller } from '../../src/protocol.ts'
import type { Distribution } from './filename.ts'
import { inspectDistribution, type Inspected } from './inspect.ts'
import { findPlace } from './places.ts'
import { readStatus, withFile } from './project.ts'
import { FILE_KIND, fileKey, fileRefs, isTombstone, parseFile, wasDeleted, type PythonFile } from './records.ts'

/** A distribution that has arrived whole. */
export interface Arrived {
  readonly distribution: Distribution
  readonly staged: StagedBlob
  /** What its publisher attests, as the integrity API serves it. */
  readonly provenance?: string | undefined
}

/**
 * Make a staged distribution part of its project, after its bytes have been held against its name. The same bytes again change
 * nothing, except that a blob which storage had lost is back.
 *
 * @throws DepotError `CONFLICT` when the name is taken by other bytes, in whichever spelling, or was deleted, `FORBIDDEN` when the project takes no files,
 * `CONTENT_MISMATCH` (400) when the archive is not what its name says
 */
export async function storeFile(depot: Depot, caller: Caller, arrived: Arrived): Promise<'created' | 'unchanged'> {
  const { distribution, staged } = arrived
  const { project, filename } = distribution
  const key = fileKey(project, filename)
  const inspected = await inspectDistribution(staged, distribution)
  await refuseTaken(depot, caller.cache, arrived)
  const blobs = await publish(depot, caller, arrived, inspected)
  const file = describeFile(distribution, inspected, blobs, new Date())
  return depot.retryConflicts(async () => {
    const taking = await refuseTaken(depot, caller.cache, arrived)
    if (taking === undefined) {
      await depot.commit(caller.cache, { blobs: rowsOf(blobs) })
      return 'unchanged'
    }
    await refuseClosed(depot, caller.cache, project)
    const change = await withFile(depot, caller.cache, project, inspected.name)
    await depot.commit(caller.cache, {
      ...change,
      puts: [
        { kind: FILE_KIND, key, value: JSON.stringify(file), expected: 0, refs: fileRefs(file) },
        taking,
        ...change.puts,
      ],
      blobs: rowsOf(blobs),
      audit: [auditEntry(caller, { action: 'python:write', resource: key, digest: file.sha256 })],
    })
    depot.events.recordWritten('python', key)
    return 'created'
  })
}

/** What gives the file its place; undefined when the name has these bytes already. @throws DepotError `CONFLICT` */
async function refuseTaken(
  depot: Depot,
  cache: Cache,
  { distribution, staged }: Arrived,
): Promise<RecordPut | undefined> {
  const { holder, taking } = await findPlace(depot, cache, distribution)
  if (holder === undefined) return taking
  const known = parseFile(holder.record)
  if (isTombstone(known)) throw wasDeleted(holder.filename)
  const isSame = known.sha256 === staged.digest
  const isSpelledSo = holder.filename === distribution.filename
  if (isSame && isSpelledSo) return undefined
  // twine looks for "already exist"; the digest tells whose bytes these are.
  const there = isSpelledSo ? `(${holder.filename}` : `as ${holder.filename} (the same name to installers,`
  const advice = isSame ? 'these bytes are here' : 'publish other content under another version or build number'
  throw new DepotError('CONFLICT', `File already exists ${there} with sha256 ${known.sha256}): ${advice}`)
}

/** PEP 792: archived and quarantined projects take no uploads. @throws DepotError `FORBIDDEN` */
async function refuseClosed(depot: Depot, cache: Cache, project: string): Promise<void> {
  const closed = await readStatus(depot, cache, project)
  if (closed === undefined || closed.status === 'deprecated') return
  throw new DepotError(
    'FORBIDDEN',
    `the project ${project} is ${closed.status} and takes no new files: depot python status ${project} active opens it`,
  )
}

/** Rows of what was published. */
interface Published {
  readonly content: BlobRow
  readonly metadata: BlobRow | undefined
  readonly provenance: BlobRow | undefined
}

function rowsOf({ content, metadata, provenance }: Published): readonly BlobRow[] {
  return [content, metadata, provenance].filter((row) => row !== undefined)
}

async function publish(
  depot: Depot,
  caller: Caller,
  { staged, provenance }: Arrived,
  { metadata }: Inspected,
): Promise<Published> {
  const content = await staged.publish()
  const beside = async (bytes: Uint8Array | undefined): Promise<BlobRow | undefined> => {
    if (bytes === undefined) return undefined
    await using extra = await depot.stage(caller.cache, onePiece(bytes), { encoding: 'raw' })
    // Awaited here: leaving the block takes the staged bytes away.
    return await extra.publish()
  }
  return {
    content,
    metadata: await beside(metadata),
    provenance: await beside(provenance === undefined ? undefined : Buffer.from(provenance)),
  }
}

function describeFile(
  { filename, version }: Distribution,
  { requiresPython }: Inspected,
  { content, metadata, provenance }: Published,
  now: Date,
): PythonFile {
  return {
    filename,
    version: version.text,
    sha256: content.digest,
    sizeBytes: content.sizeBytes,
    ...(requiresPython === undefined ? {} : { requiresPython }),
    uploadTime: now.toISOString(),
    yanked: false,
    ...(metadata === undefined ? {} : { metadata: { sha256: metadata.digest } }),
    ...(provenance === undefined ? {} : { provenance: { sha256: provenance.digest } }),
  }
}
