import { randomBytes } from 'node:crypto'
import { brotliCompressSync, constants, crc32 } from 'node:zlib'

import { afterAll, beforeAll, describe, expect, it } from 'vitest'

import { compress } from '../../helpers/compress.ts'
import { BOMB_SUFFIXES, narBomb } from '../../helpers/nar-bomb.ts'
import { fileNar, sha256Nix32 } from '../../helpers/nar.ts'
import { put, startNixWorld } from '../../helpers/nix-upload.ts'
import { storedFiles } from '../../helpers/stored-files.ts'
import type { World } from '../../helpers/world.ts'

describe('a decompression bomb', () => {
  let world: World
  beforeAll(async () => {
    world = await startNixWorld()
  })
  afterAll(() => world[Symbol.asyncDispose]())

  async function expectRefused(body: Buffer, suffix: string, status: number, reason: string): Promise<void> {
    const url = `/nix/nar/${sha256Nix32(body)}.nar${suffix}`
    const answer = await put(world, url, body)
    expect(answer).toEqual({ status, text: expect.stringContaining(reason) as unknown })
    expect((await world.fetch(url, { method: 'HEAD' })).status).toBe(404)
    expect(await storedFiles(world.dir)).toEqual([])
    expect(await world.depot.kv.blobs(undefined, 1)).toEqual([])
    expect(world.bugs).toEqual([])
  }

  describe.each(BOMB_SUFFIXES)('of %s', (suffix) => {
    it('is refused when it ends before what it announced, and nothing of it stays', async () => {
      await expectRefused(await narBomb(suffix, 2 ** 35, 8), suffix, 422, 'ends in the middle')
    }, 240_000)

    it('is not decoded to its end when it is longer than it said', async () => {
      await expectRefused(await narBomb(suffix, 100), suffix, 422, 'not a Nix archive')
    }, 240_000)

    it('is refused at its announcement when that is larger than anything here may be', async () => {
      await expectRefused(await narBomb(suffix, 2 ** 40), suffix, 413, `${2 ** 40} bytes`)
    }, 240_000)
  })

  it.each<[string, () => Promise<Buffer> | Buffer, string, string]>([
    ['xz with a dictionary of 1.5 GiB', () => withDictionary(37), '.xz', 'xz'],
    ['xz with a dictionary of 4 GiB', () => withDictionary(40), '.xz', 'xz'],
    ['zstd with a window of 256 GiB', () => Buffer.from('28b52ffd00e0010000', 'hex'), '.zst', 'zstd'],
    ['zstd with a window of 256 MiB', () => Buffer.from('28b52ffd0090010000', 'hex'), '.zst', 'zstd'],
    ['zstd of nothing but skippable frames', () => skippable(100_000), '.zst', 'ends in the middle'],
    ['zstd with a skippable frame of 4 GiB', () => Buffer.from('502a4d18ffffffff00', 'hex'), '.zst', 'inside a frame'],
    ['zstd of 2,000 empty frames', () => repeated('zstd', 2000), '.zst', 'next to nothing'],
    ['xz of 2,000 empty streams', () => repeated('xz', 2000), '.xz', 'next to nothing'],
    ['gzip of 10,000 empty members', () => repeated('gzip', 10_000), '.gz', 'ends in the middle'],
    ['bzip2 of 10,000 empty streams', () => repeated('bzip2', 10_000), '.bz2', 'ends in the middle'],
    ['brotli with a window of 1 GiB', () => largeWindow(), '.br', 'brotli'],
    [
      'brotli with something behind its end',
      async () => Buffer.concat([await nar('br'), randomBytes(9)]),
      '.br',
      'follow',
    ],
    ['two brotli streams', async () => Buffer.concat([await nar('br'), await nar('br')]), '.br', 'follow'],
  ])('%s is refused', async (_, make, suffix, reason) => {
    await expectRefused(await make(), suffix, 422, reason)
  })
})

function nar(codec: 'br' | 'xz'): Promise<Buffer> {
  return compress(codec, fileNar('no bomb'))
}

/** @param bits as the format has it: 40 is 4 GiB, two less is half of it */
async function withDictionary(bits: number): Promise<Buffer> {
  const file = Buffer.from(await nar('xz'))
  // The block header: size, flags, filter 0x21 with one byte of properties; then its checksum.
  file[16] = bits
  const end = 12 + ((file[12] ?? 0) + 1) * 4
  file.writeUInt32LE(crc32(file.subarray(12, end - 4)), end - 4)
  return file
}

function skippable(count: number): Buffer {
  return Buffer.concat(Array<Buffer>(count).fill(Buffer.from('5f2a4d1800000000', 'hex')))
}

async function repeated(codec: 'zstd' | 'xz' | 'gzip' | 'bzip2', count: number): Promise<Buffer> {
  return Buffer.concat(Array<Buffer>(count).fill(await compress(codec, new Uint8Array(0))))
}

function largeWindow(): Buffer {
  const params = { [constants.BROTLI_PARAM_LARGE_WINDOW]: 1, [constants.BROTLI_PARAM_LGWIN]: 30 }
  return brotliCompressSync(fileNar('wide'), { params })
}
