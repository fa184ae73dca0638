import { setImmediate as nextTurn } from 'node:timers/promises'

import { describe, expect, it } from 'vitest'

import { LIMITS } from '../../../src/limits.ts'
import { sentTogether } from '../../../src/node/sent-together.ts'

describe('answers of one turn', () => {
  it('are sent at its end, in the order in which they were made, and once', async () => {
    const { sent, answer } = answers()
    for (const name of ['a', 'b', 'c']) answer(name)
    await Promise.resolve()
    expect(sent).toEqual([])
    await nextTurn()
    expect(sent).toEqual(['a', 'b', 'c'])
    answer('d')
    await nextTurn()
    await nextTurn()
    expect(sent).toEqual(['a', 'b', 'c', 'd'])
  })

  it('do not wait for it when they are many', async () => {
    const { sent, answer } = answers()
    for (let count = 1; count <= LIMITS.sentTogetherMax + 1; count++) answer(String(count))
    expect(sent).toHaveLength(LIMITS.sentTogetherMax)
    await nextTurn()
    expect(sent).toHaveLength(LIMITS.sentTogetherMax + 1)
  })

  it('do not wait for it when they are long, and those that were made before come first', async () => {
    const { sent, answer } = answers()
    answer('short')
    answer('long', LIMITS.sentTogetherLengthMax)
    answer('next')
    expect(sent).toEqual(['short', 'long'])
    await nextTurn()
    expect(sent).toEqual(['short', 'long', 'next'])
  })

  it('are sent at the end of their own turn when they are made while others are sent', async () => {
    const sent: string[] = []
    const send = sentTogether()
    send(() => {
      sent.push('a')
      send(() => sent.push('b'), 1)
    }, 1)
    await nextTurn()
    await nextTurn()
    expect(sent).toEqual(['a', 'b'])
  })
})

function answers() {
  const sent: string[] = []
  const send = sentTogether()
  return { sent, answer: (name: string, length = 1) => send(() => sent.push(name), length) }
}
