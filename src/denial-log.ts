import type { Principal, Resource } from './access.ts'
import { createBuckets } from './buckets.ts'
import type { Depot } from './depot.ts'
import { hasCode } from './errors.ts'
import { resourceText, userAgentOf, type RawRequest } from './gate.ts'
import { SYSTEM_CACHE } from './kv-store.ts'
import { LIMITS } from './limits.ts'
import { sharedBuckets } from './shared-buckets.ts'
import { NO_SIBLINGS, type Siblings } from './siblings.ts'

/**
 * Puts into the audit log that a known caller was refused a change. Nothing waits for it, and whoever tries without end fills the log no
 * faster than `LIMITS.denialsPerSecond`; the server's own log has every refusal.
 */
export function createDenialLog(
  depot: Pick<Depot, 'kv' | 'events'>,
  siblings: Siblings = NO_SIBLINGS,
): (principal: Principal, resource: Resource, request: RawRequest) => void {
  const own = createBuckets({
    burst: LIMITS.denialsBurst,
    perSecond: LIMITS.denialsPerSecond,
    keysMax: LIMITS.rateKeysMax,
  })
  const pace = sharedBuckets('denials', own, siblings)
  return (principal, resource, request) => {
    if (!pace.take(principal.key)) return
    const entry = {
      principal: principal.id,
      credential: principal.credential,
      action: `${resource.ecosystem}:${request.method}`,
      // A URL may be longer than any name that this log would hold.
      resource: resourceText(resource).slice(0, LIMITS.keyBytesMax),
      digest: '',
      address: request.address,
      userAgent: userAgentOf(request),
      result: 'denied',
    } as const
    depot.kv.commit({ cache: SYSTEM_CACHE.id, audit: [entry] }).catch((error: unknown) => {
      // A full disk was told of by itself.
      if (!hasCode(error, 'STORAGE_FULL')) depot.events.unexpectedError('audit', error)
    })
  }
}
