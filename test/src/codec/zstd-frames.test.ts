import { constants, zstdCompressSync } from 'node:zlib'

import fc from 'fast-check'
import { describe, expect, it } from 'vitest'

import { createFrameScanner, decodeZstd } from '../../../src/codec/zstd-frames.ts'
import { DepotError } from '../../../src/errors.ts'
import { collect, inPieces } from '../../helpers/depot.ts'

const PARTS = ['first', '', 'second '.repeat(40_000), 'x'.repeat(300_000), 'last'].map((text) => Buffer.from(text))
const CONTENT = Buffer.concat(PARTS)
const FRAMES = Buffer.concat(PARTS.map((part, index) => zstdCompressSync(part, flags(index % 2))))

describe('the zstd decoder', () => {
  it.each([1_000_000, 60_001, 1000, 7])(
    'reads every frame of a file that comes in pieces of %i bytes',
    async (size) => {
      expect(await collect(decodeZstd(inPieces(FRAMES, size)))).toEqual(CONTENT)
    },
  )

  it('passes over frames that are to be skipped, as pzstd writes them', async () => {
    const file = Buffer.concat([skippable(4, 0), zstdCompressSync(CONTENT), skippable(70_000, 15), skippable(0, 7)])
    expect(await collect(decodeZstd(inPieces(file, 999)))).toEqual(CONTENT)
  })

  it('reads nothing from no bytes', async () => {
    expect(await collect(decodeZstd(inPieces(Buffer.alloc(0))))).toEqual(Buffer.alloc(0))
  })

  it('refuses every file that was cut inside a frame', async () => {
    const frame = zstdCompressSync(Buffer.from('content '.repeat(10)), flags(1))
    for (let length = 1; length < frame.byteLength; length++)
      expect(await refusal(Buffer.concat([FRAMES, frame.subarray(0, length)])), `${length} bytes`).toContain('zstd')
    expect(await refusal(skippable(10, 0).subarray(0, 17))).toContain('inside a frame')
  })

  it.each([
    ['zeros', Buffer.alloc(4)],
    ['one byte', Buffer.of(1)],
    ['text', Buffer.from('something else')],
    ['a frame of an older zstd', Buffer.from('27b52ffd00', 'hex')],
  ])('refuses %s after the last frame', async (_, more) => {
    expect(await refusal(Buffer.concat([FRAMES, more]))).toContain('zstd')
  })

  it('refuses a frame whose checksum does not agree', async () => {
    const frame = zstdCompressSync(CONTENT, flags(1))
    frame[frame.byteLength - 1] = (frame.at(-1) ?? 0) ^ 1
    expect(await refusal(frame)).toContain('zstd')
  })

  it('refuses a frame that needs a larger window than it gives', async () => {
    // Descriptor 0: the window is in the next byte, here 2^(10 + 28).
    expect(await refusal(Buffer.from('28b52ffd00e0010000', 'hex'))).toContain('zstd')
  })

  it('refuses a frame that needs a dictionary', async () => {
    expect(await refusal(Buffer.from('28b52ffd0158112233010000', 'hex'))).toContain('zstd')
  })

  it('refuses a file of frames that hold next to nothing: each of them costs a decoder', async () => {
    const empty = zstdCompressSync(Buffer.alloc(0))
    expect(await collect(decodeZstd(inPieces(Buffer.concat(Array<Buffer>(1000).fill(empty)))))).toEqual(Buffer.alloc(0))
    expect(await refusal(Buffer.concat(Array<Buffer>(1001).fill(empty)))).toContain('1001 parts')
    const fair = Buffer.concat(Array<Buffer>(1500).fill(zstdCompressSync(Buffer.alloc(16 * 1024))))
    expect((await collect(decodeZstd(inPieces(fair)))).byteLength).toBe(1500 * 16 * 1024)
  })

  it('passes over a hundred thousand skippable frames at once', async () => {
    const file = Buffer.concat([...Array<Buffer>(100_000).fill(skippable(0, 3)), zstdCompressSync(CONTENT)])
    expect(await collect(decodeZstd(inPieces(file)))).toEqual(CONTENT)
  })

  it('hands on what the input throws', async () => {
    async function* cut(): AsyncGenerator<Uint8Array> {
      yield FRAMES.subarray(0, 100)
      throw new DepotError('BODY_TRUNCATED', 'gone')
    }
    await expect(collect(decodeZstd(cut()))).rejects.toMatchObject({ code: 'BODY_TRUNCATED' })
  })

  it('lets go of the input when nobody reads on', async () => {
    let released = false
    async function* endless(): AsyncGenerator<Uint8Array> {
      try {
        for (;;) yield FRAMES
      } finally {
        released = true
      }
    }
    for await (const piece of decodeZstd(endless())) if (piece.byteLength > 0) break
    expect(released).toBe(true)
  })
})

describe('the frame scanner', () => {
  it('finds the end of any frame, however it is cut', () => {
    const content = fc.oneof(
      fc.uint8Array({ maxLength: 3000 }),
      fc.nat(400_000).map((size) => new Uint8Array(size)),
    )
    fc.assert(
      fc.property(content, fc.boolean(), fc.integer({ min: 1, max: 5000 }), (bytes, checksum, size) => {
        const frame = zstdCompressSync(bytes, flags(checksum ? 1 : 0))
        const file = Buffer.concat([frame, Buffer.from('behind')])
        const scanner = createFrameScanner()
        let end = 0
        for (let offset = 0; !scanner.done; offset += size) {
          const piece = file.subarray(offset, offset + size)
          end = offset + scanner.scan(piece, 0)
        }
        expect(end).toBe(frame.byteLength)
      }),
    )
  })
})

function flags(checksum: number) {
  return { params: { [constants.ZSTD_c_checksumFlag]: checksum } }
}

function skippable(sizeBytes: number, kind: number): Buffer {
  const frame = Buffer.alloc(8 + sizeBytes, 0xaa)
  frame.writeUInt32LE(0x184d2a50 + kind, 0)
  frame.writeUInt32LE(sizeBytes, 4)
  return frame
}

async function refusal(file: Uint8Array): Promise<string> {
  try {
    await collect(decodeZstd(inPieces(file, 1000)))
  } catch (error) {
    if (error instanceof DepotError && error.code === 'CONTENT_MISMATCH') return error.message
    throw error
  }
  return 'taken'
}
