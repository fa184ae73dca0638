import { describe, expect, it } from 'vitest'

import { LIMITS } from '../../../src/limits.ts'
import { watchPace } from '../../../src/node/pace.ts'

const { uploadBytesPerSecondMin: rate, uploadPaceWindowMs: windowMs } = LIMITS

describe('the pace of an upload', () => {
  it('is too slow when a window of waiting brought less than the least rate', () => {
    const pace = watchPace()
    for (let waitedMs = 0; waitedMs < windowMs - 1000; waitedMs += 1000) pace(1, 1000)
    expect(() => pace(1, 1000)).toThrow(expect.objectContaining({ status: 408 }))
  })

  it('is measured anew in every window, so that a fast beginning does not pay for the rest', () => {
    const pace = watchPace()
    pace(1_000_000_000, windowMs)
    expect(() => pace(1, windowMs)).toThrow(expect.objectContaining({ code: 'BODY_TRUNCATED' }))
  })

  it('may be slow for a while', () => {
    const pace = watchPace()
    for (let round = 0; round < 100; round++) {
      pace(1, windowMs - 1)
      pace((rate * windowMs) / 1000, 1)
    }
  })

  it('does not count the time in which nobody waits for the client', () => {
    const pace = watchPace()
    for (let round = 0; round < 1_000_000; round++) pace(1, 0)
  })
})
