import { putBounded } from './bounded-map.ts'

/** How much each key has left of what it may do at its pace. */
export interface Buckets {
  /** Take one from the bucket of this key. False when it is empty: nothing was taken. */
  take(key: string): boolean
  /** Whether the bucket of this key has something left. */
  has(key: string): boolean
  /** Take one even from an empty bucket, which then has to fill longer: for what several do at once and only its end tells. */
  charge(key: string): void
  /** Give back what was taken for something that turned out to be harmless. */
  giveBack(key: string): void
}

export interface BucketOptions {
  /** What a full bucket holds. */
  readonly burst: number
  /** How fast it fills. */
  readonly perSecond: number
  /** How many keys are remembered; beyond it the ones unused for longest are forgotten, and so are full again. */
  readonly keysMax: number
  /** Which keys share a bucket; every one has its own unless told. */
  readonly bucketOf?: (key: string) => string
  /** Milliseconds, ever growing. */
  readonly clock?: () => number
}

interface Bucket {
  left: number
  at: number
}

/** A token bucket for each key: a burst is fine, a flood is not. */
export function createBuckets(options: BucketOptions): Buckets {
  const { burst, perSecond, keysMax, bucketOf = (key) => key, clock = () => performance.now() } = options
  const buckets = new Map<string, Bucket>()

  function refilled(key: string): Bucket {
    const now = clock()
    const known = buckets.get(bucketOf(key))
    if (known === undefined) return { left: burst, at: now }
    return { left: Math.min(burst, known.left + ((now - known.at) / 1000) * perSecond), at: now }
  }

  function keep(key: string, bucket: Bucket): void {
    putBounded(buckets, keysMax, bucketOf(key), bucket)
  }

  return {
    take(key) {
      const bucket = refilled(key)
      if (bucket.left < 1) return false
      keep(key, { ...bucket, left: bucket.left - 1 })
      return true
    },
    has: (key) => refilled(key).left >= 1,
    charge(key) {
      const bucket = refilled(key)
      keep(key, { ...bucket, left: Math.max(-burst, bucket.left - 1) })
    },
    giveBack(key) {
      const bucket = refilled(key)
      keep(key, { ...bucket, left: Math.min(burst, bucket.left + 1) })
    },
  }
}
