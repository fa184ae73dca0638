import { describe, expect, it } from 'vitest'

import { createBuckets, type Buckets } from '../../src/buckets.ts'
import { sharedBuckets } from '../../src/shared-buckets.ts'
import type { News, Siblings } from '../../src/siblings.ts'

describe('buckets of several processes', () => {
  it('are emptied and filled by all of them together', () => {
    const [one, two] = pair('logins', 'logins')
    for (let count = 0; count < 2; count++) expect([one.take('a'), two.take('a')]).toEqual([true, true])
    expect([one.has('a'), two.take('a'), one.has('b')]).toEqual([false, false, true])
    one.giveBack('a')
    expect(two.take('a')).toBe(true)
    two.charge('b')
    two.charge('b')
    expect([one.take('b'), one.take('b'), one.take('b')]).toEqual([true, true, false])
  })

  it('leave those of another name alone', () => {
    const [one, two] = pair('logins', 'denials')
    while (one.take('a'));
    expect(two.take('a')).toBe(true)
  })
})

function pair(...names: readonly [string, string]): readonly [Buckets, Buckets] {
  const listeners: ((news: News) => void)[][] = [[], []]
  const siblings = (own: number): Siblings => ({
    hear: (listener) => void listeners[own]?.push(listener),
    async tell(news) {
      for (const listener of listeners[1 - own] ?? []) listener(news)
    },
  })
  const buckets = (own: 0 | 1): Buckets =>
    sharedBuckets(names[own], createBuckets({ burst: 4, perSecond: 0, keysMax: 10 }), siblings(own))
  return [buckets(0), buckets(1)]
}
