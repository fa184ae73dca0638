import fc from 'fast-check'
import { describe, expect, it } from 'vitest'

import { Bzip2Error, createBunzip } from '../../../src/codec/bzip2.ts'
import { bzip2Compress } from '../../helpers/bzip2.ts'

/** `printf 'hello, bzip2\n' | bzip2 -1`, by bzip2 1.0.8. */
const HELLO = Buffer.from('QlpoMTFBWSZTWbEj3kMAAANZgAAQQAQQABJkwBAgADEDQNAgAaaRA6tsgoT4u5IpwoSFiR7yGA==', 'base64')

describe('the bzip2 decoder', () => {
  it('reads what bzip2 writes', () => {
    expect(bunzip(HELLO).toString()).toBe('hello, bzip2\n')
  })

  it('reads any content, also in pieces', () => {
    const content = fc.oneof(fc.uint8Array({ maxLength: 600 }), runs)
    fc.assert(
      fc.property(content, fc.integer({ min: 1, max: 50 }), (bytes, size) => {
        expect(bunzip(bzip2Compress(bytes), size)).toEqual(Buffer.from(bytes))
      }),
    )
  })

  it('reads files one behind the other, with empty ones between', () => {
    const [first, nothing] = [bzip2Compress(Buffer.from('first')), bzip2Compress(Buffer.alloc(0))]
    expect(bunzip(Buffer.concat([first, nothing, HELLO, nothing])).toString()).toBe('firsthello, bzip2\n')
  })

  it('hands out content in pieces of bounded size, however much a block becomes', () => {
    const block = bzip2Compress(Buffer.alloc(259 * 100))
    let sizeBytes = 0
    let largest = 0
    const decoder = createBunzip((bytes) => {
      sizeBytes += bytes.byteLength
      largest = Math.max(largest, bytes.byteLength)
    })
    for (let count = 0; count < 100; count++) decoder.push(block)
    decoder.end()
    expect(sizeBytes).toBe(259 * 100 * 100)
    expect(largest).toBe(256 * 1024)
  })

  it('refuses every file that was cut', () => {
    for (let length = 1; length < HELLO.byteLength; length++) {
      expect(() => bunzip(HELLO.subarray(0, length)), `${length} bytes`).toThrow(Bzip2Error)
    }
  })

  it('refuses every file in which one bit is another, or reads the same from it', () => {
    for (let bit = 0; bit < HELLO.byteLength * 8; bit++) {
      const changed = Buffer.from(HELLO)
      changed[bit >> 3] = (changed[bit >> 3] ?? 0) ^ (1 << (bit & 7))
      expect(outcome(changed), `bit ${bit}`).toMatch(/^(?:refused|hello, bzip2\n)$/)
    }
  })

  it.each([
    ['a zero', Buffer.of(0)],
    ['text', Buffer.from('behind')],
    ['half a file', HELLO.subarray(0, 20)],
  ])('refuses %s after the end', (_, more) => {
    expect(() => bunzip(Buffer.concat([HELLO, more]))).toThrow(Bzip2Error)
  })

  it('ends in content or a refusal for any bytes behind a good beginning', () => {
    fc.assert(
      fc.property(fc.integer({ min: 4, max: 40 }), fc.uint8Array({ maxLength: 400 }), (length, more) => {
        expect(outcome(Buffer.concat([HELLO.subarray(0, length), more]))).toBe('refused')
      }),
    )
  })
})

const runs = fc
  .array(fc.tuple(fc.integer({ min: 0, max: 3 }), fc.integer({ min: 1, max: 600 })), { maxLength: 6 })
  .map((list) => Uint8Array.from(list.flatMap(([byte, count]) => Array<number>(count).fill(byte))))

function outcome(bytes: Uint8Array): string {
  try {
    return bunzip(bytes).toString()
  } catch (error) {
    expect(error).toBeInstanceOf(Bzip2Error)
    return 'refused'
  }
}

function bunzip(bytes: Uint8Array, pieceBytes = bytes.byteLength): Buffer {
  const pieces: Uint8Array[] = []
  const decoder = createBunzip((piece) => pieces.push(piece))
  for (let offset = 0; offset < bytes.byteLength; offset += pieceBytes)
    decoder.push(bytes.subarray(offset, offset + pieceBytes))
  decoder.end()
  return Buffer.concat(pieces)
}
