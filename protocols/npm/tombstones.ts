import type { Depot } from '../../src/depot.ts'
import { DepotError } from '../../src/errors.ts'
import type { Cache } from '../../src/kv-store.ts'
import { findVersion } from './packages.ts'
import { isTombstone, type Tombstone, type VersionRecord } from './records.ts'

/**
 * A version for whoever wants to write it: undefined when its name is free.
 *
 * @throws DepotError `CONFLICT` for one that was deleted
 */
export async function loadForWrite(
  depot: Depot,
  cache: Cache,
  name: string,
  version: string,
): Promise<VersionRecord | undefined> {
  const record = (await findVersion(depot, cache, name, version))?.record
  if (record !== undefined && isTombstone(record)) throw wasDeleted(name, version, record)
  return record
}

/** Who publishes reads this: it says what is in the way and both ways out. */
function wasDeleted(name: string, version: string, { deleted }: Tombstone): DepotError {
  const hint = `choose a new version (whoever administers this depot can free it: depot npm forget ${name}@${version})`
  const when = deleted.slice(0, 10)
  const message = `cannot publish ${name}@${version}: it was deleted on ${when}, and no number is used twice; ${hint}`
  return new DepotError('CONFLICT', message)
}
