import { describe, expect, it } from 'vitest'

import { createKeyedTurns } from '../../src/keyed-turns.ts'

function work() {
  const { promise, resolve, reject } = Promise.withResolvers<string>()
  return { promise, resolve, reject, started: false }
}

describe('turns by key', () => {
  it('are given in order, a few at a time, and to each key for itself', async () => {
    const inTurn = createKeyedTurns(2)
    const all = Array.from({ length: 4 }, work)
    const done = all.map((each, index) =>
      inTurn('a', () => {
        each.started = true
        return each.promise.then((text) => text + index)
      }),
    )
    await expect(inTurn('b', async () => 'at once')).resolves.toBe('at once')
    const started = () => all.map((each) => each.started)
    expect(started()).toEqual([true, true, false, false])
    all[1]?.resolve('done ')
    expect(await done[1]).toBe('done 1')
    expect(started()).toEqual([true, true, true, false])
    all[0]?.reject(new Error('failed'))
    await expect(done[0]).rejects.toThrow('failed')
    await expect.poll(started).toEqual([true, true, true, true])
    for (const each of all) each.resolve('done ')
    expect(await Promise.all(done.slice(2))).toEqual(['done 2', 'done 3'])
    await expect(inTurn('a', async () => 'again')).resolves.toBe('again')
  })

  it('never let more work at a time than they should, whatever fails', async () => {
    const inTurn = createKeyedTurns(3)
    let running = 0
    let most = 0
    const tried = Array.from({ length: 200 }, (_, index) =>
      inTurn('a', async () => {
        most = Math.max(most, ++running)
        await new Promise((resolve) => setTimeout(resolve, index % 3))
        running--
        if (index % 7 === 0) throw new Error('failed')
      }),
    )
    await Promise.allSettled(tried)
    expect([most, running]).toEqual([3, 0])
  })
})
