import { createHash } from 'node:crypto'

import { hasCode } from '../src/errors.ts'
import { SYSTEM_CACHE, type KvStore } from '../src/kv-store.ts'
import { LIMITS } from '../src/limits.ts'
import { KIND } from './token-records.ts'
import type { VerifiedLogin } from './verify-login.ts'

/** Remembers the logins that have changed something, for as long as they would be good. */
export interface UsedLogins {
  /**
   * Use a login up. False when that was done before, by any server of this database.
   *
   * @throws DepotError `STORAGE_DOWN`, `STORAGE_FULL`
   */
  use(login: Pick<VerifiedLogin, 'fingerprint' | 'jti' | 'expiresAt'>): Promise<boolean>
}

/** @param now seconds since 1970 */
export function createUsedLogins(kv: Pick<KvStore, 'commit' | 'list'>, now: () => number): UsedLogins {
  let sweptAt = -Infinity

  /** Keys begin with the time of expiry, so that what may go is one range. */
  async function sweep(): Promise<void> {
    // Another server's clock may be behind this one's, and it asks the same records.
    const end = secondsKey(now() - LIMITS.clockSkewSeconds - LIMITS.loginSecondsMax)
    const page = { from: '', to: end, limit: LIMITS.usedLoginsSweepMax }
    let old
    do {
      old = await kv.list(SYSTEM_CACHE.id, KIND.usedLogin, page)
      const deletes = old.map(({ key }) => ({ kind: KIND.usedLogin, key }))
      if (deletes.length > 0) await kv.commit({ cache: SYSTEM_CACHE.id, deletes })
    } while (old.length === page.limit)
  }

  return {
    async use({ fingerprint, jti, expiresAt }) {
      if (performance.now() - sweptAt > LIMITS.usedLoginsSweepMs) {
        sweptAt = performance.now()
        // What is left over is swept next time; nobody waits for it.
        void sweep().catch(() => {})
      }
      const key = `${secondsKey(expiresAt)}-${createHash('sha256').update(`${fingerprint}\0${jti}`).digest('hex')}`
      try {
        await kv.commit({ cache: SYSTEM_CACHE.id, puts: [{ kind: KIND.usedLogin, key, value: '', expected: 0 }] })
        return true
      } catch (error) {
        if (hasCode(error, 'WRITE_CONFLICT')) return false
        throw error
      }
    },
  }
}

/** Sorts by time. */
function secondsKey(seconds: number): string {
  return String(Math.max(0, Math.floor(seconds))).padStart(12, '0')
}
