import { randomBytes } from 'node:crypto'
import { gzipSync } from 'node:zlib'

import { describe, expect, it } from 'vitest'

import { decodeAs } from '../../../src/codec/decode.ts'
import { LIMITS } from '../../../src/limits.ts'
import { collect } from '../../helpers/depot.ts'

const FILE = gzipSync(randomBytes(2 * LIMITS.decoderHeadBytes))

/** The beginning of a gzip file, and then nothing until its client has gone. */
async function* silent(sizeBytes: number, gone: Promise<void>): AsyncGenerator<Uint8Array> {
  yield FILE.subarray(0, sizeBytes)
  await gone
}

async function* honest(): AsyncGenerator<Uint8Array> {
  yield gzipSync('all of it')
}

/** Clients that stop behind so many bytes; how many of them have been told that they are too slow. */
function slowClients(count: number, sizeBytes: number) {
  const { promise: gone, resolve: leave } = Promise.withResolvers<void>()
  let refused = 0
  const ended = Array.from({ length: count }, async () => {
    const error = await collect(decodeAs('gzip', silent(sizeBytes, gone))).catch((thrown: unknown) => thrown)
    if (error instanceof Error && 'status' in error && error.status === 408) refused++
  })
  return {
    refused: () => refused,
    async [Symbol.asyncDispose]() {
      leave()
      await Promise.all(ended)
    },
  }
}

describe('clients that send next to nothing', () => {
  it('get no decoder', async () => {
    await using slow = slowClients(10 * LIMITS.decodersOpenMax, 10)
    expect((await collect(decodeAs('gzip', honest()))).toString()).toBe('all of it')
    // Nobody had to go for it.
    expect(slow.refused()).toBe(0)
  })

  it('lose the decoders they have to those who wait for one, as many as are waited for', async () => {
    await using slow = slowClients(LIMITS.decodersOpenMax, LIMITS.decoderHeadBytes)
    expect((await collect(decodeAs('gzip', honest()))).toString()).toBe('all of it')
    expect(slow.refused()).toBe(1)
    // Nobody waits any more: the others may take their time.
    await new Promise((resolve) => setTimeout(resolve, LIMITS.decoderPaceWindowMs + 2000))
    expect(slow.refused()).toBe(1)
  })
})
