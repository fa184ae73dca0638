import { randomBytes } from 'node:crypto'

import { describe, expect, it } from 'vitest'

import { decompressFrame, frameCompressor, framesOf, packFrames } from '../../../src/codec/frames.ts'
import { freeMemory } from '../../../src/free-memory.ts'
import { LIMITS } from '../../../src/limits.ts'

const MIB = LIMITS.frameBytes

async function compressFrame(content: Uint8Array): Promise<Buffer> {
  using compressor = frameCompressor()
  return Buffer.concat(await compressor.compress(content))
}

describe('frames', () => {
  it.each([0, 1, 1000, MIB])('come back as they were, %i bytes of noise', async (sizeBytes) => {
    const content = randomBytes(sizeBytes)
    expect(Buffer.from(await decompressFrame(await compressFrame(content), sizeBytes)).equals(content)).toBe(true)
  })

  it('are each whole and of their own, however many one compressor has made', async () => {
    using compressor = frameCompressor()
    const contents = [randomBytes(MIB), Buffer.alloc(MIB, 'depot '), randomBytes(MIB), randomBytes(5)]
    const frames = []
    for (const content of contents) frames.push(Buffer.concat(await compressor.compress(content)))
    const together = await Promise.all(contents.map((content) => compressor.compress(content)))
    expect(together.map((pieces) => Buffer.concat(pieces))).toEqual(frames)
    for (const [index, frame] of frames.entries()) {
      const content = contents[index] ?? Buffer.alloc(0)
      expect(Buffer.from(await decompressFrame(frame, content.byteLength)).equals(content)).toBe(true)
    }
  })

  it.each([5, 40_000, 700_000, MIB])(
    'lie apart from those before them, whose memory is freed: %i bytes',
    async (sizeBytes) => {
      using compressor = frameCompressor()
      const contents = Array.from({ length: 24 }, (_, index) =>
        index % 3 === 0 ? Buffer.alloc(sizeBytes, `depot ${index} `) : randomBytes(sizeBytes - (index % 2)),
      )
      for (let index = 0; index < contents.length; index += LIMITS.framesInFlight) {
        const together = contents.slice(index, index + LIMITS.framesInFlight)
        const frames = together.map((content) => compressor.compress(content))
        for (const [at, pieces] of frames.entries()) {
          const copies = (await pieces).map((piece) => Buffer.from(piece))
          for (const piece of await pieces) freeMemory(piece)
          const content = together[at] ?? Buffer.alloc(0)
          const decoded = await decompressFrame(Buffer.concat(copies), content.byteLength)
          expect(content.equals(decoded)).toBe(true)
        }
      }
    },
  )

  it('are made to their end when their compressor is disposed meanwhile', async () => {
    const content = randomBytes(MIB)
    const compressor = frameCompressor()
    const compressing = compressor.compress(content)
    compressor[Symbol.dispose]()
    const frame = Buffer.concat(await compressing)
    expect(Buffer.from(await decompressFrame(frame, MIB)).equals(content)).toBe(true)
  })

  it.each([0, 3, MIB])(
    'say how large their content is, %i bytes, so that a decoder allocates once',
    async (sizeBytes) => {
      // RFC 8878 §3.1.1.1.1: the bits of the descriptor that tell of a field with the size, and of a segment that is decoded in one go.
      const [descriptor = 0] = (await compressFrame(Buffer.alloc(sizeBytes))).subarray(4)
      expect(descriptor & 0b1110_0000).not.toBe(0)
    },
  )

  it('find a flipped bit by their checksum', async () => {
    const frame = Buffer.from(await compressFrame(Buffer.alloc(10_000, 'depot ')))
    frame[frame.length - 6] = (frame[frame.length - 6] ?? 0) ^ 1
    await expect(decompressFrame(frame, 10_000)).rejects.toThrow()
  })

  it('never decode to another size than they must have', async () => {
    const frame = await compressFrame(Buffer.alloc(10_000, 'a'))
    await expect(decompressFrame(frame, 9_999)).rejects.toThrow()
    await expect(decompressFrame(frame, 10_001)).rejects.toThrow()
  })
})

describe('framesOf', () => {
  const packed = packFrames([10, 20, 30])
  const sizeBytes = 2 * MIB + 5

  it('gives every frame for the whole content', () => {
    expect([...framesOf(packed, sizeBytes, 0, sizeBytes)]).toEqual([
      { storedStart: 0, storedEnd: 10, contentStart: 0, contentEnd: MIB },
      { storedStart: 10, storedEnd: 30, contentStart: MIB, contentEnd: 2 * MIB },
      { storedStart: 30, storedEnd: 60, contentStart: 2 * MIB, contentEnd: sizeBytes },
    ])
  })

  it('gives only the frames that a range touches', () => {
    const starts = (start: number, end: number) =>
      [...framesOf(packed, sizeBytes, start, end)].map((frame) => frame.storedStart)
    expect(starts(0, 1)).toEqual([0])
    expect(starts(MIB - 1, MIB + 1)).toEqual([0, 10])
    expect(starts(MIB, 2 * MIB)).toEqual([10])
    expect(starts(sizeBytes - 1, sizeBytes)).toEqual([30])
    expect(starts(5, 5)).toEqual([])
  })
})
