import { after } from '../../src/after.ts'
import type { Depot } from '../../src/depot.ts'
import type { Cache, MaybePromise } from '../../src/kv-store.ts'
import type { LocalStore } from '../../src/local-store.ts'
import { findLocal } from './local-path.ts'
import { PATH_KIND } from './records.ts'

/** Whether there is neither a record of the path with this hash part nor a local path. */
export function isMissingPath(
  depot: Depot,
  cache: Cache,
  storeHash: string,
  localStore: LocalStore | undefined,
): MaybePromise<boolean> {
  return after(
    depot.kv.get(cache.id, PATH_KIND, storeHash),
    (record) => record === undefined && findLocal(localStore, storeHash) === undefined,
  )
}
