import { breath } from '../../src/breath.ts'
import type { Depot } from '../../src/depot.ts'
import { hasCode } from '../../src/errors.ts'
import { prefixEnd } from '../../src/key-prefix.ts'
import type { Cache, KvRecord, RecordName, RecordPut } from '../../src/kv-store.ts'
import { parsePathEntry, PATH_KIND, REFERRER_KIND, type PathEntry } from './records.ts'
import { hashOf } from './store-path.ts'

type Refers = Pick<PathEntry, 'baseName' | 'references'>

/** Hashes of the other paths that a path refers to, each once. */
export function referencedHashes({ baseName, references }: Refers): readonly string[] {
  const hashes = new Set(references.map(hashOf))
  hashes.delete(hashOf(baseName))
  return [...hashes]
}

/** The records that lead from what a path refers to back to it. */
export function referrerRecords(entry: Refers): readonly RecordName[] {
  const referrer = hashOf(entry.baseName)
  return referencedHashes(entry).map((hash) => ({ kind: REFERRER_KIND, key: referrersPrefix(hash) + referrer }))
}

/** To write these records; all that they say is their key. */
export function referrerPuts(entry: Refers): readonly RecordPut[] {
  return referrerRecords(entry).map((name) => ({ ...name, value: '{}' }))
}

/** How the keys of all records begin that lead to referrers of this path. */
export function referrersPrefix(hash: string): string {
  return `${hash}/`
}

const PAGE = 500

/** Hashes of the stored paths that refer to this one, ascending; `indexReferrers` must have run. */
export async function* referrersOf(depot: Depot, cache: Cache, hash: string): AsyncGenerator<string> {
  const prefix = referrersPrefix(hash)
  let after: string | undefined
  do {
    const bounds = { from: prefix, to: prefixEnd(prefix), limit: PAGE, ...(after === undefined ? {} : { after }) }
    const page = await depot.kv.list(cache.id, REFERRER_KIND, bounds)
    await breath()
    for (const { key } of page) yield key.slice(prefix.length)
    after = page.length < PAGE ? undefined : page.at(-1)?.key
  } while (after !== undefined)
}

/** Its record says that every stored path has its records of this kind. */
const INDEX = { kind: 'nixindex', key: 'referrers' } as const

/**
 * Write the records of paths that were stored by a depot which did not write them: once in the life of a cache, one pass over it. Paths
 * that come or go meanwhile see to their own.
 */
export async function indexReferrers(depot: Depot, cache: Cache): Promise<void> {
  if ((await depot.get(cache, INDEX.kind, INDEX.key)) !== undefined) return
  let some: KvRecord[] = []
  for await (const record of depot.all(cache, PATH_KIND)) {
    // Whoever noted when it was stored wrote these too.
    if (parsePathEntry(record).since !== undefined) continue
    some.push(record)
    if (some.length < PAGE) continue
    await indexSome(depot, cache, some)
    some = []
  }
  await indexSome(depot, cache, some)
  await depot.commit(cache, { puts: [{ ...INDEX, value: '{}' }] })
}

async function indexSome(depot: Depot, cache: Cache, records: readonly KvRecord[]): Promise<void> {
  const present = records.map(({ key }) => ({ kind: PATH_KIND, key }))
  try {
    await depot.commit(cache, { puts: records.flatMap((record) => referrerPuts(parsePathEntry(record))), present })
  } catch (error) {
    if (!hasCode(error, 'WRITE_CONFLICT')) throw error
    // One of them has been deleted: alone, it is passed over.
    if (records.length > 1) for (const record of records) await indexSome(depot, cache, [record])
  }
}
