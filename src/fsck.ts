import type { NamedStore } from './blobs/blob-stores.ts'
import { hasCode, type DepotError } from './errors.ts'
import { checkBlobs, type FsckCounts, type FsckOptions } from './fsck-blobs.ts'
import { inStore, storeDown, wentDown, type Finding } from './fsck-finding.ts'
import type { KvStore, Reference } from './kv-store.ts'
import { pages } from './pages.ts'

/** References in one step. */
const PAGE = 1000

/**
 * Compare what the database says with what storage holds, without changing either. Safe beside a running server: whatever looks
 * wrong is looked at a second time, because a row may have changed meanwhile. Of several stores one that goes down meanwhile is left out
 * from then on.
 *
 * @throws DepotError `STORAGE_DOWN` when the database cannot be reached, or the only store
 */
export async function* fsck(options: FsckOptions): AsyncGenerator<Finding> {
  const counts = options.counts ?? { blobs: 0, references: 0, hashedBytes: 0 }
  const down = yield* findDown(options)
  yield* checkBlobs({ ...options, down }, counts)
  yield* checkReferences(options, counts)
  for (const store of options.blobs.all) if (!down.has(store.name)) yield* findOrphans(options, store)
}

/** Of several stores those that answer are checked; where there is one, it is found out by what is read. */
async function* findDown({ blobs: { all } }: FsckOptions): AsyncGenerator<Finding, Set<string>> {
  const down = new Set<string>()
  for (const { name, blobs } of all.length > 1 ? all : []) {
    try {
      await blobs.ping?.()
    } catch (error) {
      if (!hasCode(error, 'STORAGE_DOWN')) throw error
      down.add(name)
      yield storeDown(name, error)
    }
  }
  return down
}

async function* checkReferences({ kv }: FsckOptions, counts: FsckCounts): AsyncGenerator<Finding> {
  for await (const page of pages<Reference>((after) => kv.references(after, PAGE)))
    for (const reference of page) {
      counts.references++
      const finding = await checkReference(kv, reference)
      if (finding !== undefined) yield finding
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

async function* findOrphans({ blobs: stores, kv }: FsckOptions, { name, blobs }: NamedStore): AsyncGenerator<Finding> {
  let failure: DepotError | undefined
  const keep = (error: DepotError): void => void (failure = error)
  const locations = stores.all.length > 1 ? untilDown(blobs.list(''), keep) : blobs.list('')
  for await (const location of locations) {
    const [domain = '', , , , digest = ''] = location.split('/')
    const note = { severity: 'note', subject: `${domain}/${digest}`, ...inStore(stores, name) } as const
    const row = await kv.blob(domain, digest)
    if (row === undefined) yield { kind: 'orphan', ...note, detail: 'stored, and no row knows it' }
    else if (stores.nameOf(row) !== name)
      yield { kind: 'duplicate', ...note, detail: `stored, and its row says that it lies in '${stores.nameOf(row)}'` }
  }
  if (failure !== undefined) yield wentDown(name, failure)
}

async function* untilDown<T>(listed: AsyncIterable<T>, told: (error: DepotError) => void): AsyncGenerator<T> {
  try {
    yield* listed
  } catch (error) {
    if (!hasCode(error, 'STORAGE_DOWN')) throw error
    told(error)
  }
}
