import { createHash } from 'node:crypto'

import { blobLocation } from './blobs/blob-location.ts'
import type { BlobStores } from './blobs/blob-stores.ts'
import type { OpenBlob } from './depot.ts'
import { hasCode } from './errors.ts'
import { SILENT_EVENTS } from './events.ts'
import { inStore, wentDown, type Finding, type FindingKind } from './fsck-finding.ts'
import type { BlobRow, KvStore } from './kv-store.ts'
import { openBlob } from './blobs/read-blob.ts'
import { pages } from './pages.ts'
import type { Source } from './source.ts'

export interface FsckCounts {
  blobs: number
  references: number
  hashedBytes: number
}

export interface FsckOptions {
  readonly blobs: BlobStores
  readonly kv: KvStore
  /** Read every byte and hash it, rather than only compare sizes. */
  readonly full: boolean
  /** Counts up while the check runs. */
  readonly counts?: FsckCounts
}

export interface Checking extends FsckOptions {
  /** Stores that are left out. */
  readonly down: Set<string>
}

/** Blobs in one step. */
const PAGE = 1000

/**
 * Compare each blob that the database knows with what its store holds. A store that goes down meanwhile is added to `down` and left out
 * from then on.
 *
 * @throws DepotError `STORAGE_DOWN` when the database cannot be reached, or the only store
 */
export async function* checkBlobs(options: Checking, counts: FsckCounts): AsyncGenerator<Finding> {
  for await (const page of pages<BlobRow>((after) => options.kv.blobs(after, PAGE)))
    for (const row of page) {
      counts.blobs++
      const finding = await checkBlob(options, row, counts)
      if (finding !== undefined) yield finding
    }
}

async function checkBlob(options: Checking, row: BlobRow, counts: FsckCounts): Promise<Finding | undefined> {
  if (row.state === 'deleting') return undefined
  const first = await inspect(options, row, counts)
  if (first === undefined || first.kind === 'store-down') return first
  const again = await options.kv.blob(row.domain, row.digest)
  return again === undefined || again.state === 'deleting' ? undefined : inspect(options, again, counts)
}

async function inspect(options: Checking, row: BlobRow, counts: FsckCounts): Promise<Finding | undefined> {
  const { blobs, down } = options
  const name = blobs.nameOf(row)
  if (down.has(name)) return undefined
  const error = (kind: FindingKind, detail: string): Finding => {
    const subject = `${row.domain}/${row.digest}`
    return { kind, severity: 'error', subject, detail, ...inStore(blobs, name) }
  }
  try {
    return await compare(options, row, error, counts)
  } catch (failure) {
    if (!hasCode(failure, 'STORAGE_DOWN')) throw failure
    try {
      await blobs.of(row).ping?.()
    } catch (cause) {
      if (blobs.all.length === 1 || !hasCode(cause, 'STORAGE_DOWN')) throw failure
      down.add(name)
      return wentDown(name, cause)
    }
    // A bad sector, say, which must not hide what is wrong with the others.
    return error('blob-corrupt', `cannot be read: ${failure.message}`)
  }
}

/** @throws DepotError `STORAGE_DOWN` */
async function compare(
  { blobs, full }: Checking,
  row: BlobRow,
  error: (kind: FindingKind, detail: string) => Finding,
  counts: FsckCounts,
): Promise<Finding | undefined> {
  const store = blobs.of(row)
  const stored = await store.stat(blobLocation(row.domain, row.digest))
  if (stored === undefined) {
    // Where nothing is mounted any more nothing is found, and nothing is lost.
    if (blobs.all.length > 1) await store.ping?.()
    return error('blob-missing', 'nothing is stored')
  }
  if (stored.sizeBytes !== row.storedBytes)
    return error('blob-size', `${stored.sizeBytes} bytes stored where ${row.storedBytes} belong`)
  if (!full) return undefined
  counts.hashedBytes += row.storedBytes
  const detail = await damage(blobs, row)
  return detail === undefined ? undefined : error('blob-corrupt', detail)
}

/** What is wrong with the bytes, or undefined. */
async function damage(blobs: BlobStores, row: BlobRow): Promise<string | undefined> {
  try {
    await using blob = await openForCheck(blobs, row)
    if ((await hashOf(blob.stored())) !== row.storedSha256)
      return 'the stored bytes have another hash than when they were written'
    if (row.encoding !== 'raw' && (await hashOf(blob.content())) !== row.digest)
      return 'the content has another hash than its name'
    return undefined
  } catch (error) {
    if (hasCode(error, 'STORAGE_DOWN')) throw error
    return `cannot be read: ${String(error)}`
  }
}

/** Opens without the right to take anything out of service: a check must not change what it checks. */
function openForCheck(blobs: BlobStores, row: BlobRow): Promise<OpenBlob> {
  const open = () => blobs.of(row).open(blobLocation(row.domain, row.digest))
  const of = () => blobs.of(row)
  const kv = { blob: () => undefined, setBlobState: async () => {} }
  return openBlob({ blobs: { open, of }, kv, events: SILENT_EVENTS }, row)
}

async function hashOf(source: Source): Promise<string> {
  const hash = createHash('sha256')
  for await (const bytes of source.chunks({ start: 0, end: source.sizeBytes })) hash.update(bytes)
  return hash.digest('hex')
}
