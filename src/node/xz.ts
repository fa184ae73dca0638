import lzma from 'lzma-native'

import { through } from '../codec/through.ts'
import { xzSlices } from '../codec/xz-slices.ts'
import { LIMITS } from '../limits.ts'

/**
 * Decode an xz file of any number of streams, in the thread pool.
 *
 * @throws DepotError `CONTENT_MISMATCH`, also for one that needs more memory than `LIMITS.decoderMemoryBytesMax`
 */
export function decodeXz(input: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  // Not `autoDecoder`: the older .lzma form has no checksum.
  const options = {
    memlimit: LIMITS.decoderMemoryBytesMax,
    bufsize: LIMITS.decoderOutputBytes,
    // One slice at a time: what waits would be decoded in one go.
    writableHighWaterMark: 1,
    // The next slice is decoded while the last one is hashed and stored.
    readableHighWaterMark: LIMITS.xzOutputAheadBytes,
  }
  const decoder = lzma.createStream('streamDecoder', options)
  return through(xzSlices(input), decoder, 'xz')
}
