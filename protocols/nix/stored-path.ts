import { breath } from '../../src/breath.ts'
import type { Depot } from '../../src/depot.ts'
import type { Cache } from '../../src/kv-store.ts'
import { parsePathEntry, PATH_KIND, type PathEntry } from './records.ts'

/** A stored path, and the version of its record. */
export interface StoredPath {
  readonly hash: string
  readonly entry: PathEntry
  readonly version: number
}

/** The stored path of this hash; one of the local store alone is none. */
export async function storedPath(depot: Depot, cache: Cache, hash: string): Promise<StoredPath | undefined> {
  const record = await depot.get(cache, PATH_KIND, hash)
  await breath()
  return record && { hash, entry: parsePathEntry(record), version: record.version }
}
