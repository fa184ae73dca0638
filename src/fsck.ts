import { createHash } from 'node:crypto'

import type { BlobStore } from './blob-store.ts'
import { blobLocation } from './blob-location.ts'
import type { OpenBlob } from './depot.ts'
import { hasCode } from './errors.ts'
import { SILENT_EVENTS } from './events.ts'
import type { Source } from './source.ts'
import type { BlobRow, KvStore, Reference } from './kv-store.ts'
import { openBlob } from './read-blob.ts'

export type FindingKind =
  /** Storage has nothing where the row says there are bytes. */
  | 'blob-missing'
  /** Storage has another number of bytes than the row says. */
  | 'blob-size'
  /** The bytes do not have the hash they are known by. Only looked for with `full`. */
  | 'blob-corrupt'
  /** A record needs a blob that is not in service. */
  | 'reference-broken'
  /** Stored bytes that no row knows: left by a crash between storing and committing, harmless. */
  | 'orphan'

export interface Finding {
  readonly kind: FindingKind
  /** Whether something that should be readable is not. */
  readonly severity: 'error' | 'note'
  readonly subject: string
  readonly detail: string
}

export interface FsckCounts {
  blobs: number
  references: number
  hashedBytes: number
}

export interface FsckOptions {
  readonly blobs: BlobStore
  readonly kv: KvStore
  /** Read every byte and hash it, rather than only compare sizes. */
  readonly full: boolean
  /** Counts up while the check runs. */
  readonly counts?: FsckCounts
}

const PAGE = 1000

/**
 * Compare what the database says with what storage holds, without changing either. Safe beside a running server: whatever looks
 * wrong is looked at a second time, because a row may have changed meanwhile.
 */
export async function* fsck(options: FsckOptions): AsyncGenerator<Finding> {
  const counts = options.counts ?? { blobs: 0, references: 0, hashedBytes: 0 }
  yield* checkBlobs(options, counts)
  yield* checkReferences(options, counts)
  yield* findOrphans(options)
}

async function* checkBlobs(options: FsckOptions, counts: FsckCounts): AsyncGenerator<Finding> {
  let page = await options.kv.blobs(undefined, PAGE)
  while (page.length > 0) {
    for (const row of page) {
      counts.blobs++
      const finding = await checkBlob(options, row, counts)
      if (finding !== undefined) yield finding
    }
    page = await options.kv.blobs(page.at(-1), PAGE)
  }
}

async function checkBlob(options: FsckOptions, row: BlobRow, counts: FsckCounts): Promise<Finding | undefined> {
  if (row.state === 'deleting') return undefined
  const first = await inspect(options, row, counts)
  if (first === undefined) return undefined
  const again = await options.kv.blob(row.domain, row.digest)
  return again === undefined || again.state === 'deleting' ? undefined : inspect(options, again, counts)
}

async function inspect({ blobs, full }: FsckOptions, row: BlobRow, counts: FsckCounts): Promise<Finding | undefined> {
  const subject = `${row.domain}/${row.digest}`
  const stored = await blobs.stat(blobLocation(row.domain, row.digest))
  if (stored === undefined) return { kind: 'blob-missing', severity: 'error', subject, detail: 'nothing is stored' }
  if (stored.sizeBytes !== row.storedBytes) {
    const detail = `${stored.sizeBytes} bytes stored where ${row.storedBytes} belong`
    return { kind: 'blob-size', severity: 'error', subject, detail }
  }
  if (!full) return undefined
  counts.hashedBytes += row.storedBytes
  const detail = await damage(blobs, row)
  return detail === undefined ? undefined : { kind: 'blob-corrupt', severity: 'error', subject, detail }
}

/** What is wrong with the bytes, or undefined. */
async function damage(blobs: BlobStore, row: BlobRow): Promise<string | undefined> {
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
function openForCheck(blobs: BlobStore, row: BlobRow): Promise<OpenBlob> {
  return openBlob({ blobs, kv: { setBlobState: async () => {} }, events: SILENT_EVENTS }, row)
}

async function hashOf(source: Source): Promise<string> {
  const hash = createHash('sha256')
  for await (const bytes of source.chunks({ start: 0, end: source.sizeBytes })) hash.update(bytes)
  return hash.digest('hex')
}

async function* checkReferences({ kv }: FsckOptions, counts: FsckCounts): AsyncGenerator<Finding> {
  let page = await kv.references(undefined, PAGE)
  while (page.length > 0) {
    for (const reference of page) {
      counts.references++
      const finding = await checkReference(kv, reference)
      if (finding !== undefined) yield finding
    }
    page = await kv.references(page.at(-1), PAGE)
  }
}

async function checkReference(
  kv: KvStore,
  { cache, kind, key, domain, digest }: Reference,
): Promise<Finding | undefined> {
  const row = await kv.blob(domain, digest)
  if (row?.state === 'live') return undefined
  if ((await kv.get(cache, kind, key)) === undefined) return undefined
  const detail = `needs ${digest}, which is ${row?.state ?? 'not known'}`
  return { kind: 'reference-broken', severity: 'error', subject: `${kind} ${key}`, detail }
}

async function* findOrphans({ blobs, kv }: FsckOptions): AsyncGenerator<Finding> {
  for await (const location of blobs.list('')) {
    const [domain = '', , , , digest = ''] = location.split('/')
    if ((await kv.blob(domain, digest)) !== undefined) continue
    yield { kind: 'orphan', severity: 'note', subject: `${domain}/${digest}`, detail: 'stored, and no row knows it' }
  }
}
