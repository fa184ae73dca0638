import { putBounded } from '../src/bounded-map.ts'
import { SYSTEM_CACHE, type KvStore } from '../src/kv-store.ts'
import { LIMITS } from '../src/limits.ts'
import { KIND } from './token-records.ts'

/**
 * Notes that a token was used: at most once in `LIMITS.tokenUseWrittenMs` in the database, after the request went on. A note that cannot
 * be written is forgotten: the next use makes another.
 */
export function lastUseNotes({ kv }: { readonly kv: KvStore }, now: () => number): (id: string) => void {
  const writtenAt = new Map<string, number>()

  return (id) => {
    const at = now()
    const last = writtenAt.get(id)
    if (last !== undefined && at - last < LIMITS.tokenUseWrittenMs) return
    putBounded(writtenAt, LIMITS.tokenUsesRemembered, id, at)
    const put = { kind: KIND.use, key: id, value: JSON.stringify({ at }) }
    void Promise.resolve()
      .then(() => kv.commit({ cache: SYSTEM_CACHE.id, puts: [put] }))
      .catch(() => {})
  }
}
