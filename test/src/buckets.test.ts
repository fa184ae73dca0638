import { describe, expect, it } from 'vitest'

import { createBuckets } from '../../src/buckets.ts'

function bucketsAt(start = 0) {
  const time = { now: start }
  const buckets = createBuckets({ burst: 3, perSecond: 2, keysMax: 2, clock: () => time.now })
  const taken = (key: string, tries: number): number =>
    Array.from({ length: tries }, () => buckets.take(key)).filter(Boolean).length
  return { time, buckets, taken }
}

describe('createBuckets', () => {
  it('lets a burst through, and then as much as flows in', () => {
    const { time, taken } = bucketsAt()
    expect(taken('a', 10)).toBe(3)
    time.now = 1000
    expect(taken('a', 10)).toBe(2)
    time.now = 1_000_000
    expect(taken('a', 10)).toBe(3)
  })

  it('counts each key for itself', () => {
    const { taken } = bucketsAt()
    expect([taken('a', 5), taken('b', 5)]).toEqual([3, 3])
  })

  it('never holds more than a burst, however much is given back', () => {
    const { buckets, taken } = bucketsAt()
    buckets.take('a')
    buckets.giveBack('a')
    buckets.giveBack('a')
    expect(taken('a', 10)).toBe(3)
  })

  it('goes into debt for what is only known afterwards, but not without end', () => {
    const { time, buckets } = bucketsAt()
    for (let count = 0; count < 100; count++) buckets.charge('a')
    expect(buckets.has('a')).toBe(false)
    time.now = 1500
    expect(buckets.has('a')).toBe(false)
    time.now = 2000
    expect(buckets.has('a')).toBe(true)
  })

  it('forgets the key that was unused for longest', () => {
    const { taken } = bucketsAt()
    taken('a', 3)
    taken('b', 3)
    taken('c', 3)
    expect([taken('b', 1), taken('a', 1)]).toEqual([0, 1])
  })
})
