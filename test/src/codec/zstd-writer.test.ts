import { createHash, randomBytes } from 'node:crypto'

import { describe, expect, it } from 'vitest'

import { decodeAs } from '../../../src/codec/decode.ts'
import { writeZstd } from '../../../src/codec/zstd-writer.ts'
import { collect, inPieces } from '../../helpers/depot.ts'

const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex')

describe('a zstd file that is written', () => {
  it.each([0, 1, 1 << 20, (1 << 20) + 1, 7_000_000])('holds %i bytes', async (sizeBytes) => {
    const content = randomBytes(sizeBytes)
    const file = await collect(writeZstd(inPieces(content)))
    expect(sha256(await collect(decodeAs('zstd', inPieces(file))))).toBe(sha256(content))
  })

  it('is smaller when it is compressed harder', async () => {
    const words = Array.from({ length: 50_000 }, (_, index) => sha256(Buffer.from(String(index))).slice(0, 2))
    const content = Buffer.from(words.join(' '))
    const [fast, hard] = [
      await collect(writeZstd(inPieces(content), 1)),
      await collect(writeZstd(inPieces(content), 19)),
    ]
    expect(hard.byteLength).toBeLessThan(fast.byteLength)
    expect(sha256(await collect(decodeAs('zstd', inPieces(hard))))).toBe(sha256(content))
  })

  it('fails as its content does', async () => {
    async function* cut(): AsyncGenerator<Uint8Array> {
      yield randomBytes(3_000_000)
      throw new Error('cut')
    }
    await expect(collect(writeZstd(cut()))).rejects.toThrow('cut')
  })
})
