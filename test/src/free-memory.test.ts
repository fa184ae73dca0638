import { describe, expect, it } from 'vitest'

import { freeMemory } from '../../src/free-memory.ts'

describe('memory that is freed', () => {
  it.each([1, 1000, 64 * 1024, 1024 * 1024])('is gone at once, when bytes are all of it: %i', (sizeBytes) => {
    const bytes = new Uint8Array(sizeBytes)
    freeMemory(bytes)
    expect(bytes.buffer.byteLength).toBe(0)
  })

  it('goes with its last part, and not with another', () => {
    const whole = Buffer.allocUnsafeSlow(1024 * 1024)
    freeMemory(whole.subarray(0, 1000))
    freeMemory(whole.subarray(1000, 2000))
    freeMemory(whole.subarray(whole.byteLength))
    expect(whole.byteLength).toBe(1024 * 1024)
    freeMemory(whole.subarray(2000))
    expect(whole.byteLength).toBe(0)
  })

  it('is never what many small buffers share', () => {
    // More of them than one piece of that memory has room for: some lie at its end.
    const small = Array.from({ length: 3000 }, (_, index) => Buffer.from(`number ${index} of them`.padEnd(64)))
    for (const bytes of small.filter((_, index) => index % 2 === 1)) freeMemory(bytes)
    for (const [index, bytes] of small.entries())
      expect(bytes.toString('latin1').trim()).toBe(`number ${index} of them`)
  })

  it('is never what threads share', () => {
    const bytes = new Uint8Array(new SharedArrayBuffer(1024 * 1024))
    freeMemory(bytes)
    expect(bytes.byteLength).toBe(1024 * 1024)
  })
})
