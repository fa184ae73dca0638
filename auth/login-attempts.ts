import { createBuckets, type Buckets } from '../src/buckets.ts'
import { LIMITS } from '../src/limits.ts'
import { networkOf } from '../src/network.ts'

/** How fast one address may show bad logins, each of which costs a signature. */
export function loginAttempts(): Buckets {
  return createBuckets({
    burst: LIMITS.badLoginsBurst,
    perSecond: LIMITS.badLoginsPerSecond,
    keysMax: LIMITS.rateKeysMax,
    bucketOf: networkOf,
  })
}
