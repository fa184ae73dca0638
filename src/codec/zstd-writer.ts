import { frameBuffers } from '../buffer-pool.ts'
import { LIMITS } from '../limits.ts'
import { frameCompressor, ZSTD_LEVELS } from './frames.ts'

/**
 * Content as a zstd file of frames, a few of them compressed side by side. Empty content makes one frame too, so that it is a file.
 *
 * @throws what the content throws
 */
export async function* writeZstd(
  content: AsyncIterable<Uint8Array>,
  level: number = ZSTD_LEVELS.usual,
): AsyncGenerator<Uint8Array, void, undefined> {
  using compressor = frameCompressor(level)
  const inFlight: Promise<readonly Uint8Array[]>[] = []
  let frame = frameBuffers.take()
  let filled = 0
  let begun = false
  const launch = (): void => {
    const full = frame
    const compressed = compressor.compress(full.subarray(0, filled)).finally(() => frameBuffers.giveBack(full))
    // It is awaited in its turn; until then a failure must not count as unhandled.
    compressed.catch(() => {})
    inFlight.push(compressed)
    begun = true
    frame = frameBuffers.take()
    filled = 0
  }
  for await (const bytes of content) {
    for (let offset = 0; offset < bytes.byteLength;) {
      const piece = bytes.subarray(offset, offset + LIMITS.frameBytes - filled)
      frame.set(piece, filled)
      filled += piece.byteLength
      offset += piece.byteLength
      if (filled < LIMITS.frameBytes) continue
      launch()
      for (let oldest = next(inFlight); oldest !== undefined; oldest = next(inFlight)) yield* await oldest
    }
  }
  if (filled > 0 || !begun) launch()
  for (const compressed of inFlight) yield* await compressed
}

/** The oldest frame, once as many are under way as may be. */
function next<T>(inFlight: Promise<T>[]): Promise<T> | undefined {
  return inFlight.length >= LIMITS.framesInFlight ? inFlight.shift() : undefined
}
