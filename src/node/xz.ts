import lzma from 'lzma-native'

import { through } from '../codec/through.ts'
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
    // What waits is decoded at once: between two trips to the thread pool the decoder stands still.
    writableHighWaterMark: LIMITS.decoderInputBytes,
  }
  const decoder = lzma.createStream('streamDecoder', options)
  return through(input, decoder, 'xz')
}
