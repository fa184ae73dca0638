import { describe, expect, it } from 'vitest'

import { createTurns } from '../../src/turns.ts'

describe('turns', () => {
  it('let no more work at once than there are, in the order they came', async () => {
    const turns = createTurns(2)
    const order: number[] = []
    let working = 0
    let most = 0
    const work = async (number: number): Promise<void> => {
      await turns.take()
      order.push(number)
      most = Math.max(most, ++working)
      await new Promise((resolve) => setImmediate(resolve))
      working--
      turns.giveBack()
    }
    await Promise.all(Array.from({ length: 9 }, (_, number) => work(number)))
    expect(order).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8])
    expect(most).toBe(2)
  })
})
