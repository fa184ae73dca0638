import { describe, expect, it } from 'vitest'

import { oneAtATime } from '../../src/one-at-a-time.ts'

describe('oneAtATime', () => {
  it('does the work once more for all who ask while it is being done, and waits for that', async () => {
    const begun: (() => void)[] = []
    const ask = oneAtATime(() => new Promise((resolve) => begun.push(resolve)))
    const first = ask()
    const [second, third] = [ask(), ask()]
    expect(second).toBe(third)
    expect(begun).toHaveLength(1)
    begun[0]?.()
    await first
    await Promise.resolve()
    expect(begun).toHaveLength(2)
    begun[1]?.()
    await second
    void ask()
    expect(begun).toHaveLength(3)
  })
})
