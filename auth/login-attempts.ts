import { createBuckets, type Buckets } from '../src/buckets.ts'
import { LIMITS } from '../src/limits.ts'
import { networkOf } from '../src/network.ts'
import { sharedBuckets } from '../src/shared-buckets.ts'
import { NO_SIBLINGS, type Siblings } from '../src/siblings.ts'

/** How fast one address may show bad logins, each of which costs a signature: in all processes of a server together. */
export function loginAttempts(siblings: Siblings = NO_SIBLINGS): Buckets {
  const own = createBuckets({
    burst: LIMITS.badLoginsBurst,
    perSecond: LIMITS.badLoginsPerSecond,
    keysMax: LIMITS.rateKeysMax,
    bucketOf: networkOf,
  })
  return sharedBuckets('logins', own, siblings)
}
