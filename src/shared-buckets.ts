import type { Buckets } from './buckets.ts'
import type { News, Siblings } from './siblings.ts'

type BucketNews = Extract<News, { readonly bucket: string }>

/**
 * Buckets that several processes fill and empty together: each has its own, and makes the changes of the others too. What two do in the
 * same milliseconds both pass; nobody waits for another.
 *
 * @param name the same in every process
 */
export function sharedBuckets(name: string, own: Buckets, siblings: Siblings): Buckets {
  siblings.hear((news) => {
    if (typeof news === 'object' && news.bucket === name) own[news.change](news.key)
  })
  const tell = (change: BucketNews['change'], key: string): void => void siblings.tell({ bucket: name, change, key })
  return {
    take(key) {
      const taken = own.take(key)
      if (taken) tell('charge', key)
      return taken
    },
    has: (key) => own.has(key),
    charge(key) {
      own.charge(key)
      tell('charge', key)
    },
    giveBack(key) {
      own.giveBack(key)
      tell('giveBack', key)
    },
  }
}
