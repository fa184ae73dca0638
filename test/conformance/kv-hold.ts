import { expect } from 'vitest'

import type { Contract } from './kv-samples.ts'

/** What one place at a time may do. */
export function holdContract(contract: Contract): void {
  const patient = new AbortController().signal

  contract('is held by one at a time, in the order of asking', async (kv) => {
    const first = await kv.hold('work', patient)
    const order: string[] = []
    const later = ['b', 'c'].map(async (name) => {
      await using _held = await kv.hold('work', patient)
      order.push(name)
    })
    await using _other = await kv.hold('other work', patient)
    expect(order).toEqual([])
    order.push('a')
    await first[Symbol.asyncDispose]()
    await Promise.all(later)
    expect(order).toEqual(['a', 'b', 'c'])
    expect(first.lost.aborted).toBe(false)
  })

  contract('is not waited for any longer than one wants', async (kv) => {
    const stop = new AbortController()
    const held = await kv.hold('work', patient)
    const waiting = kv.hold('work', stop.signal)
    const behind = kv.hold('work', patient)
    stop.abort(new Error('enough'))
    await expect(waiting).rejects.toThrow('enough')
    await expect(kv.hold('work', stop.signal)).rejects.toThrow('enough')
    await held[Symbol.asyncDispose]()
    await using _next = await behind
  })
}
