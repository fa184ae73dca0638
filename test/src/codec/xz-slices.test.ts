import lzma from 'lzma-native'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'

import { createXzScanner, xzSlices } from '../../../src/codec/xz-slices.ts'
import { decodeXz } from '../../../src/node/xz.ts'
import { collect, inPieces } from '../../helpers/depot.ts'

const MIB = 1024 * 1024
const TEXT = Buffer.from(Array.from({ length: 3_000_000 }, (_, index) => (index * index) >> 9))

describe('slices of an xz file', () => {
  it.each([
    ['zeros', Buffer.alloc(64 * MIB), {}],
    ['what cannot be compressed', Buffer.from(Array.from({ length: 500_000 }, noise())), {}],
    ['something between', TEXT, {}],
    ['nothing', Buffer.alloc(0), {}],
    ['a checksum of SHA-256', TEXT, { check: 10 }],
    ['no check', TEXT, { check: 0 }],
    ['a filter for programs', TEXT, { filters: [{ id: 'LZMA_FILTER_X86' }, { id: 'LZMA_FILTER_LZMA2' }] }],
    ['several blocks', TEXT, { threads: 2, blockSize: 700_000 }],
  ])('are the file again, and stay in step with it: %s', async (_, content, options) => {
    const file = await xz(content, options)
    // Twice, with the padding that may lie between: out of step, the second one would be refused.
    const twice = Buffer.concat([file, Buffer.alloc(8), file])
    expect((await collect(xzSlices(inPieces(twice, 10_007)))).equals(twice)).toBe(true)
    const decoded = await collect(decodeXz(inPieces(twice, 10_007)))
    expect(decoded.equals(Buffer.concat([content, content]))).toBe(true)
  })

  it('become three megabytes at most', async () => {
    const file = await xz(Buffer.alloc(64 * MIB), {})
    const slices: number[] = []
    for await (const slice of xzSlices(inPieces(file, file.byteLength))) slices.push(slice.byteLength)
    // 64 MiB in chunks of at most 2 MiB: more than one chunk behind the first megabyte is never in one slice.
    expect(slices.length).toBeGreaterThanOrEqual(64 / 3)
    expect(Math.max(...slices)).toBeLessThan(file.byteLength / 10)
  })

  it('are refused of a file of streams that hold next to nothing: each of them costs a decoder', async () => {
    const empty = await xz(Buffer.alloc(0), {})
    const streams = (count: number): Buffer => Buffer.concat(Array<Buffer>(count).fill(empty))
    expect(await collect(decodeXz(inPieces(streams(1000))))).toEqual(Buffer.alloc(0))
    await expect(collect(decodeXz(inPieces(streams(1001))))).rejects.toMatchObject({ code: 'CONTENT_MISMATCH' })
  })

  it('are the same however the file is cut, and never stand still on any bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 1, maxLength: 500 }), fc.integer({ min: 1, max: 100 }), (bytes, size) => {
        const file = Buffer.concat([Buffer.from('fd377a585a000004e6d6b446', 'hex'), bytes])
        expect(outcome(file, size)).toBe(outcome(file, 1))
      }),
    )
  })
})

/** How far the scanner gets: to the end, or to its refusal. */
function outcome(file: Uint8Array, size: number): string {
  const scanner = createXzScanner()
  try {
    for (let start = 0; start < file.byteLength; start += size) {
      const piece = file.subarray(start, start + size)
      for (let offset = 0; offset < piece.byteLength;) {
        const end = scanner.scan(piece, offset)
        expect(end).toBeGreaterThan(offset)
        offset = end
      }
    }
    return 'followed'
  } catch (error) {
    return String(error)
  }
}

function noise(): () => number {
  let state = 1
  return () => {
    state = (Math.imul(state, 1103515245) + 12345) >>> 0
    return state >>> 16
  }
}

async function xz(content: Buffer, options: object): Promise<Buffer> {
  const encoder = lzma.createStream('filters' in options ? 'streamEncoder' : 'easyEncoder', { preset: 1, ...options })
  encoder.end(content)
  return collect(encoder)
}
