import type { Duplex } from 'node:stream'

import lzma, { type LzmaOptions } from 'lzma-native'

import { LIMITS } from '../limits.ts'

/** liblzma's LZMA_CONCATENATED: a file may be several streams (xz file format §2). */
const CONCATENATED = 0x08

/** A transform from .xz to content, working in the thread pool. Its memory is bounded: a dictionary of gigabytes is refused. */
export function createXzDecoder(): Duplex {
  const options = { memlimit: LIMITS.decoderMemoryBytesMax, flags: CONCATENATED, bufsize: LIMITS.readBufferBytes }
  // The published types know neither the numeric flags nor the buffer size that the code takes.
  return lzma.createStream('streamDecoder', options as unknown as LzmaOptions) as unknown as Duplex
}
