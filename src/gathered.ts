import { readBuffers } from './buffer-pool.ts'

/** Join small pieces: each one sent alone would cost a trip to the socket. A piece is valid until the next one is asked for. */
export async function* gathered(pieces: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  const buffer = readBuffers.take()
  let filled = 0
  for await (const piece of pieces) {
    for (let offset = 0; offset < piece.byteLength;) {
      const part = piece.subarray(offset, offset + buffer.byteLength - filled)
      buffer.set(part, filled)
      filled += part.byteLength
      offset += part.byteLength
      if (filled < buffer.byteLength) continue
      yield buffer
      filled = 0
    }
  }
  if (filled > 0) yield buffer.subarray(0, filled)
  // A reader who stopped before may still be sending it.
  readBuffers.giveBack(buffer)
}
