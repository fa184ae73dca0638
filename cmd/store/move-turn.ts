import { DepotError } from '../../src/errors.ts'
import type { Held, KvStore } from '../../src/kv-store.ts'
import { LIMITS } from '../../src/limits.ts'
import { lockWork } from '../../src/node/folder-lock.ts'
import { parseDatabaseUrl } from '../../storage/database-url.ts'

/**
 * Keep others from moving blobs of this depot: PostgreSQL knows of everybody, and of a SQLite file only those on this machine use it.
 *
 * @throws DepotError `CONFLICT` when another one moves some
 */
export async function takeMoveTurn(databaseUrl: string, kv: Pick<KvStore, 'hold'>): Promise<Held> {
  const location = parseDatabaseUrl(databaseUrl)
  if (location.driver === 'postgres') return holdWithin(kv)
  const lock = await lockWork(location.file, WORK)
  return { lost: new AbortController().signal, [Symbol.asyncDispose]: () => lock[Symbol.asyncDispose]() }
}

const WORK = 'depot store move'

async function holdWithin(kv: Pick<KvStore, 'hold'>): Promise<Held> {
  try {
    return await kv.hold(WORK, AbortSignal.timeout(LIMITS.storeMoveTurnMs))
  } catch (cause) {
    if (cause instanceof DepotError) throw cause
    const message = `another ${WORK} is under way, or PostgreSQL has no connection left to ask over: wait until it is done`
    throw new DepotError('CONFLICT', message, { cause })
  }
}
