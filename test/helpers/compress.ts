import { brotliCompressSync, gzipSync, zstdCompressSync } from 'node:zlib'

import lzma from 'lzma-native'

import type { Codec } from '../../src/codec/decode.ts'
import { bzip2Compress } from './bzip2.ts'

export const CODECS: readonly Codec[] = ['none', 'gzip', 'xz', 'bzip2', 'zstd', 'br']

/** Suffix that Nix gives an archive in this codec: gzip has none. */
export const NIX_SUFFIX: Readonly<Record<Codec, string>> = {
  none: '',
  gzip: '',
  xz: '.xz',
  bzip2: '.bz2',
  zstd: '.zst',
  br: '.br',
}

/** Small content in a codec; for bzip2 some kilobytes at most. */
export async function compress(codec: Codec, content: Uint8Array): Promise<Buffer> {
  switch (codec) {
    case 'none':
      return Buffer.from(content)
    case 'gzip':
      return gzipSync(content)
    case 'zstd':
      return zstdCompressSync(content)
    case 'br':
      return brotliCompressSync(content)
    case 'bzip2':
      return bzip2Compress(content)
    case 'xz':
      return new Promise((resolve) => lzma.compress(Buffer.from(content), { preset: 1 }, resolve))
  }
}
