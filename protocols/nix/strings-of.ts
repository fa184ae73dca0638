import { DepotError } from '../../src/errors.ts'
import { LENGTH_BYTES } from './nar-format.ts'

/**
 * Strings of the archive format, one behind the other: a length of eight bytes, little-endian, then so many bytes, here a multiple of eight
 * so that no padding follows. Each is to be read to its end before the next is asked for; a piece is valid until then too.
 *
 * @throws DepotError `CONTENT_MISMATCH` when they end inside one, `TOO_LARGE` for a length above `lengthMax`; whatever `bytes` throws
 */
export async function* stringsOf(
  bytes: AsyncIterable<Uint8Array>,
  lengthMax: number,
): AsyncGenerator<AsyncIterable<Uint8Array>> {
  const pieces = bytes[Symbol.asyncIterator]()
  let piece: Uint8Array = new Uint8Array(0)

  /** At most `wanted` bytes; none when there are no more. */
  async function some(wanted: number): Promise<Uint8Array> {
    while (piece.byteLength === 0) {
      const next = await pieces.next()
      if (next.done === true) return piece
      piece = next.value
    }
    const taken = piece.subarray(0, wanted)
    piece = piece.subarray(taken.byteLength)
    return taken
  }

  async function* exactly(count: number): AsyncGenerator<Uint8Array> {
    for (let left = count; left > 0;) {
      const taken = await some(left)
      if (taken.byteLength === 0) throw new DepotError('CONTENT_MISMATCH', `the body ends ${left} bytes too early`)
      left -= taken.byteLength
      yield taken
    }
  }

  async function length(): Promise<number | undefined> {
    // A copy: the rest of it may come in the same memory.
    const head = Buffer.from(await some(LENGTH_BYTES))
    if (head.byteLength === 0) return undefined
    const rest = await Array.fromAsync(exactly(LENGTH_BYTES - head.byteLength), (bytes) => Buffer.from(bytes))
    const field = Buffer.concat([head, ...rest])
    const value = field.readBigUInt64LE()
    if (value > BigInt(lengthMax))
      throw new DepotError('TOO_LARGE', `a string of ${value} bytes, and ${lengthMax} are taken`)
    return Number(value)
  }

  try {
    for (let next = await length(); next !== undefined; next = await length()) yield exactly(next)
  } finally {
    await pieces.return?.()
  }
}
