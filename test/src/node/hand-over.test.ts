import { Socket } from 'node:net'

import { describe, expect, it } from 'vitest'

import { LIMITS } from '../../../src/limits.ts'
import { createHandOver, type HandOver, type Taker } from '../../../src/node/hand-over.ts'

describe('connections that are handed over', () => {
  it('go to each in turn, one at a time', () => {
    const handOver = createHandOver()
    const [one, two] = [takerOf(handOver), takerOf(handOver)]
    const sockets = offered(handOver, 6)
    expect([one.has, two.has]).toEqual([[sockets[0]], [sockets[1]]])
    one.takeAll()
    expect(one.has).toEqual([sockets[0], sockets[2], sockets[4]])
    expect(sockets[0]?.destroyed).toBe(true)
    expect(sockets[1]?.destroyed).toBe(false)
  })

  it('pass over one that is slow to take them, and go to others when it leaves or dies', () => {
    const handOver = createHandOver()
    const [slow, quick] = [takerOf(handOver), takerOf(handOver)]
    const count = 2 * LIMITS.connectionsAhead + 4
    const sockets = offered(handOver, count)
    for (let round = 0; round < count; round++) quick.takeAll()
    expect(slow.has).toHaveLength(1)
    handOver.lost(slow.taker)
    quick.takeAll()
    expect(new Set(quick.has)).toEqual(new Set(sockets))
    const third = takerOf(handOver)
    handOver.remove(quick.taker)
    const [last] = offered(handOver, 1)
    expect(third.has).toEqual([last])
  })

  it('wait where there is nobody, and are cut when too many do or nobody comes any more', () => {
    const handOver = createHandOver()
    const sockets = offered(handOver, LIMITS.connectionsWaitingMax + 1)
    expect(sockets.filter(({ destroyed }) => destroyed)).toEqual([sockets.at(-1)])
    const late = takerOf(handOver)
    late.takeAll()
    expect(late.has.slice(0, 3)).toEqual(sockets.slice(0, 3))
    handOver.close()
    for (const socket of offered(handOver, 2)) expect(socket.destroyed).toBe(true)
  })
})

function offered(handOver: HandOver, count: number): Socket[] {
  const sockets = Array.from({ length: count }, () => new Socket())
  for (const socket of sockets) handOver.offer(socket)
  return sockets
}

function takerOf(handOver: HandOver) {
  const has: Socket[] = []
  const taker: Taker = (socket) => void has.push(socket)
  handOver.add(taker)
  return {
    taker,
    has,
    /** Say that it has it, until there is nothing more. */
    takeAll() {
      for (let before = -1; before !== has.length;) {
        before = has.length
        handOver.taken(taker)
      }
    },
  }
}
