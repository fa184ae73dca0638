import { constants, createBrotliCompress, createGzip, createZstdCompress } from 'node:zlib'
import { Readable, type Transform } from 'node:stream'

import lzma from 'lzma-native'

import { bzip2Compress } from './bzip2.ts'
import { collect } from './depot.ts'
import { narStrings } from './nar.ts'

const MIB = 1024 * 1024
const BLOCK_BYTES = 46_000_000
/** Each as it follows the hash in the name of an archive. */
export const BOMB_SUFFIXES = ['.gz', '.xz', '.bz2', '.zst', '.br'] as const

/** An archive of one file whose content goes on for ever: `announced` bytes are promised. */
function head(announced: number): Buffer {
  const length = Buffer.alloc(8)
  length.writeBigUInt64LE(BigInt(announced))
  return Buffer.concat([narStrings('nix-archive-1', '(', 'type', 'regular', 'contents'), length])
}

/** 46 MB of zeros, as bzip2 -9 writes them. */
const BZIP2_ZEROS = Buffer.from(
  'QlpoOTFBWSZTWQ4J4t8BX45AAMAAAAggADCATUZCoCWpCoCXMUFZJlNZudCH0AAAxdAAwAAEAAAIIAAgpTQZjUhbBQvF3JFOFCQpcNCbgA==',
  'base64',
)

const STREAMS: Readonly<Record<string, () => Transform>> = {
  '.gz': () => createGzip({ level: 1 }),
  '.xz': () => lzma.createStream('easyEncoder', { preset: 1 }),
  '.zst': () => createZstdCompress(),
  '.br': () => createBrotliCompress({ params: { [constants.BROTLI_PARAM_QUALITY]: 1 } }),
}

/** An archive that announces so many bytes and has so many blocks of 46 MB of zeros, compressed to next to nothing. */
export async function narBomb(suffix: string, announced: number, blocks = 1): Promise<Buffer> {
  if (suffix === '.bz2')
    return Buffer.concat([bzip2Compress(head(announced)), ...Array<Buffer>(blocks).fill(BZIP2_ZEROS)])
  const stream = STREAMS[suffix]?.()
  if (stream === undefined) throw new Error(`no encoder for ${suffix}`)
  return collect(Readable.from(bytesOf(announced, blocks * BLOCK_BYTES)).pipe(stream))
}

function* bytesOf(announced: number, sizeBytes: number): Generator<Buffer> {
  yield head(announced)
  const zeros = Buffer.alloc(MIB)
  for (let left = sizeBytes; left > 0; left -= MIB) yield zeros.subarray(0, left)
}
