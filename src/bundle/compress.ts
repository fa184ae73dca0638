import { constants, zstdCompress } from 'node:zlib'
import { promisify } from 'node:util'

import { LIMITS } from '../limits.ts'

const compress = promisify(zstdCompress)

/** Content of one frame: little is lost by the cut, and little memory is taken. */
const FRAME_BYTES = 1 << 20
/** What zstd itself takes without further options. */
export const ZSTD_LEVELS = { lowest: 1, usual: 3, highest: 19 } as const

/** The same bytes as a zstd file of many frames, some of which are compressed side by side. */
export async function* compressed(
  pieces: AsyncIterable<Uint8Array>,
  level: number,
): AsyncGenerator<Uint8Array, void, undefined> {
  const params = { [constants.ZSTD_c_compressionLevel]: level, [constants.ZSTD_c_checksumFlag]: 1 }
  const options = { params, chunkSize: FRAME_BYTES + (FRAME_BYTES >> 7) + 1024 }
  const under: Promise<Uint8Array>[] = []
  const oldest = async (): Promise<Uint8Array> => (await under.shift()) ?? new Uint8Array()
  try {
    for await (const content of filled(pieces)) {
      under.push(compress(content, options))
      if (under.length >= LIMITS.framesInFlight) yield await oldest()
    }
    while (under.length > 0) yield await oldest()
  } finally {
    await Promise.allSettled(under)
  }
}

/** Each in memory of its own. */
async function* filled(pieces: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  let frame = Buffer.allocUnsafeSlow(FRAME_BYTES)
  let size = 0
  for await (const piece of pieces) {
    for (let from = 0; from < piece.length;) {
      const part = piece.subarray(from, from + FRAME_BYTES - size)
      frame.set(part, size)
      from += part.length
      size += part.length
      if (size < FRAME_BYTES) continue
      yield frame
      frame = Buffer.allocUnsafeSlow(FRAME_BYTES)
      size = 0
    }
  }
  if (size > 0) yield frame.subarray(0, size)
}
