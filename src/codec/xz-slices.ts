import { LIMITS } from '../limits.ts'
import { createPieceBudget } from './piece-budget.ts'
import { notWhole } from './through.ts'

/**
 * Cut an xz file into slices of which none becomes more than some megabytes. The decoder decodes all it is given before it
 * hands out anything, and 64 KiB of compressed zeros are 450 MB; but every chunk of the format says beforehand how much it becomes.
 *
 * @throws DepotError `CONTENT_MISMATCH` when the file is not built as one, and whatever the input throws
 */
export async function* xzSlices(input: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  const scanner = createXzScanner()
  for await (const bytes of input) {
    for (let offset = 0; offset < bytes.byteLength;) {
      const end = scanner.scan(bytes, offset)
      yield bytes.subarray(offset, end)
      offset = end
    }
  }
}

/** Follows the structure of an xz file (.xz format 1.1.0; chunks: LZMA2 as in liblzma's lzma2_decoder.c). It decodes nothing. */
export interface XzScanner {
  /** The end of the next slice that begins at `offset`; at least one byte. */
  scan(bytes: Uint8Array, offset: number): number
}

/** What the next byte belongs to; a number of bytes that do not matter may come before it. */
type Field =
  | 'stream header'
  | 'check type'
  | 'block header size'
  | 'chunk control'
  | 'chunk sizes'
  | 'index count'
  | 'index value'
  | 'stream padding'

export function createXzScanner(): XzScanner {
  let field: Field = 'stream header'
  let skip = 0
  let value = 0
  let got = 0
  let control = 0
  let checkBytes = 0
  /** Where the block or the index is, modulo four: both are padded. */
  let padBase = 0
  let position = 0
  let indexValuesLeft = 0
  /** Content that the chunks of this slice become. */
  let outputBytes = 0
  const budget = createPieceBudget('xz')

  const paddingFrom = (at: number): number => (4 - ((at - padBase) % 4)) % 4

  function onByte(byte: number): void {
    switch (field) {
      case 'stream header':
        onStreamStart()
        return
      case 'check type':
        checkBytes = CHECK_BYTES[byte & 0x0f] ?? 0
        skip = 4
        field = 'block header size'
        return
      case 'block header size':
        padBase = position - 1
        if (byte === 0) {
          field = 'index count'
          return
        }
        budget.begin()
        skip = (byte + 1) * 4 - 1
        field = 'chunk control'
        return
      case 'chunk control':
        onControl(byte)
        return
      case 'chunk sizes':
        value = value * 256 + byte
        if (++got === sizesBytes(control)) onSizes()
        return
      case 'index count':
      case 'index value':
        onVarint(byte)
        return
      case 'stream padding':
        if (byte !== 0) onStreamStart()
    }
  }

  function onControl(byte: number): void {
    control = byte
    value = 0
    got = 0
    if (byte === 0) {
      skip = paddingFrom(position) + checkBytes
      field = 'block header size'
      return
    }
    if (byte > 2 && byte < 0x80) throw notWhole('xz', 'a chunk is of no known kind')
    field = 'chunk sizes'
  }

  function onSizes(): void {
    if (control < 0x80) {
      skip = value + 1
      onOutput(skip)
    } else {
      const compressed = value % 0x10000
      onOutput((control & 0x1f) * 0x10000 + Math.floor(value / 0x10000) + 1)
      // From this control on the chunk brings one byte of properties.
      skip = compressed + 1 + (control >= 0xc0 ? 1 : 0)
    }
    field = 'chunk control'
  }

  function onOutput(sizeBytes: number): void {
    outputBytes += sizeBytes
    budget.spend(sizeBytes)
  }

  function onVarint(byte: number): void {
    if (got > 8) throw notWhole('xz', 'a number of its index is too long')
    value += (byte & 0x7f) * 128 ** got++
    if (byte >= 0x80) return
    if (field === 'index count') indexValuesLeft = value * 2
    else indexValuesLeft--
    field = 'index value'
    value = 0
    got = 0
    if (indexValuesLeft > 0) return
    skip = paddingFrom(position) + 4 + FOOTER_BYTES
    field = 'stream padding'
  }

  /** The first of six bytes of magic, then two of flags; the decoder checks them. */
  function onStreamStart(): void {
    budget.begin()
    skip = 6
    field = 'check type'
  }

  return {
    scan(bytes, start) {
      outputBytes = 0
      for (let offset = start; offset < bytes.byteLength;) {
        const skipped = Math.min(skip, bytes.byteLength - offset)
        skip -= skipped
        offset += skipped
        position += skipped
        if (skip > 0) break
        // Before a chunk begins: what was seen so far is enough for one slice.
        if (outputBytes >= LIMITS.xzSliceOutputBytes && offset > start) return offset
        const byte = bytes[offset]
        if (byte === undefined) break
        offset++
        position++
        onByte(byte)
      }
      return bytes.byteLength
    },
  }
}

const FOOTER_BYTES = 12

/** Size of the check behind each block, by its type. */
const CHECK_BYTES = [0, 4, 4, 4, 8, 8, 8, 16, 16, 16, 32, 32, 32, 64, 64, 64]

/** Bytes behind a chunk's control byte: two sizes, or one when it is not compressed. */
function sizesBytes(control: number): number {
  return control < 0x80 ? 2 : 4
}
