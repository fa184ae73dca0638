import { brotliDecompressSync, crc32, gunzipSync } from 'node:zlib'

import fc from 'fast-check'
import { describe, expect, it } from 'vitest'

import { brotliContainer, gzipContainer, xzContainer } from '../../../src/codec/containers.ts'
import { decode } from '../../../src/codec/decode.ts'
import type { Source } from '../../../src/source.ts'
import { collect, inPieces } from '../../helpers/depot.ts'
import { sha256Hex } from '../../helpers/nar.ts'

const SIZES = [0, 1, 3, 4, 5, 65_534, 65_535, 65_536, 65_537, 131_072, 300_001]

describe.each([
  ['xz', (content: Buffer) => xzContainer({ content: sourceOf(content), sha256: sha256Hex(content) })],
  ['gzip', (content: Buffer) => gzipContainer({ content: sourceOf(content), crc: crc32(content) })],
  ['br', (content: Buffer) => brotliContainer({ content: sourceOf(content) })],
])('an %s file around content', (codec, contain) => {
  it.each(SIZES)('is valid and as long as it says, for %i bytes', async (sizeBytes) => {
    const content = contentOf(sizeBytes)
    const file = await whole(contain(content))
    const decoding = await decode(inPieces(file), Buffer.from('nothing else'), codec === 'br' ? codec : undefined)
    expect(decoding.codec).toBe(codec)
    expect((await collect(decoding.content)).equals(content)).toBe(true)
  })

  it('is the same in any range', async () => {
    const content = contentOf(200_000)
    const file = await whole(contain(content))
    const offsets = fc.oneof(fc.nat(file.byteLength), fc.constantFrom(0, 24, 27, 65_563, 65_566, file.byteLength - 60))
    await fc.assert(
      fc.asyncProperty(offsets, offsets, async (a, b) => {
        const range = { start: Math.min(a, b), end: Math.max(a, b) }
        const part = await collect(contain(content).chunks(range))
        expect(part.equals(file.subarray(range.start, range.end))).toBe(true)
      }),
    )
  })

  it('reads no more of the content than a range needs', async () => {
    let readBytes = 0
    const content = contentOf(1_000_000)
    const counted: Source = {
      ...sourceOf(content),
      async *chunks(range) {
        readBytes += range.end - range.start
        yield content.subarray(range.start, range.end)
      },
    }
    const container = containerOf(codec, counted)
    await collect(container.chunks({ start: 500_000, end: 500_100 }))
    expect(readBytes).toBeLessThanOrEqual(100)
    await collect(container.chunks({ start: 0, end: 4 }))
    expect(readBytes).toBeLessThanOrEqual(100)
  })

  it('ends its content when it is disposed', async () => {
    let disposed = false
    const content: Source = {
      ...sourceOf(contentOf(10)),
      async [Symbol.asyncDispose]() {
        disposed = true
      },
    }
    await containerOf(codec, content)[Symbol.asyncDispose]()
    expect(disposed).toBe(true)
  })
})

it('zlib itself reads the gzip file', async () => {
  const content = contentOf(100_000)
  expect(gunzipSync(await whole(gzipContainer({ content: sourceOf(content), crc: crc32(content) })))).toEqual(content)
})

it('brotli itself reads the br file', async () => {
  const content = contentOf(100_000)
  expect(brotliDecompressSync(await whole(brotliContainer({ content: sourceOf(content) })))).toEqual(content)
})

/** With checksums that nobody looks at. */
function containerOf(codec: string, content: Source): Source {
  if (codec === 'xz') return xzContainer({ content, sha256: '' })
  return codec === 'br' ? brotliContainer({ content }) : gzipContainer({ content, crc: 0 })
}

function contentOf(sizeBytes: number): Buffer {
  return Buffer.from(Array.from({ length: sizeBytes }, (_, index) => (index * 7919) >> 3))
}

async function whole(source: Source): Promise<Buffer> {
  const file = await collect(source.chunks({ start: 0, end: source.sizeBytes }))
  expect(file.byteLength).toBe(source.sizeBytes)
  return file
}

function sourceOf(content: Buffer): Source {
  return {
    sizeBytes: content.byteLength,
    async *chunks({ start, end }) {
      for (let offset = start; offset < end; offset += 10_000)
        yield content.subarray(offset, Math.min(offset + 10_000, end))
    },
    async [Symbol.asyncDispose]() {},
  }
}
