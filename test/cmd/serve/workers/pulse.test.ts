import { setTimeout as sleep } from 'node:timers/promises'

import { describe, expect, it } from 'vitest'

import { watchPulse } from '../../../../cmd/serve/workers/pulse.ts'

const OFTEN = { everyMs: 5, missedMax: 3 }

describe('a pulse', () => {
  it('is missed once, when so many questions in a row had no answer', async () => {
    const seen: string[] = []
    using _pulse = watchPulse(
      () => seen.push('asked'),
      () => seen.push('silent'),
      OFTEN,
    )
    await expect.poll(() => seen.includes('silent')).toBe(true)
    await sleep(50)
    expect(seen).toEqual(['asked', 'asked', 'asked', 'silent'])
  })

  it('is there as long as answers come, be they late', async () => {
    let asked = 0
    let isSilent = false
    using pulse = watchPulse(
      () => ++asked % 3 === 0 && pulse.answered(),
      () => (isSilent = true),
      OFTEN,
    )
    await expect.poll(() => asked, { timeout: 20_000 }).toBeGreaterThan(20)
    expect(isSilent).toBe(false)
  })

  it('is not missed by one who was stopped itself', async () => {
    let isSilent = false
    using pulse = watchPulse(
      () => setImmediate(() => pulse.answered()),
      () => (isSilent = true),
      OFTEN,
    )
    for (let round = 0; round < 3; round++) {
      await sleep(20)
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 100)
    }
    await sleep(20)
    expect(isSilent).toBe(false)
  })
})
