import { zstdCompress, zstdDecompress, constants } from 'node:zlib'
import { promisify } from 'node:util'

import { LIMITS } from '../limits.ts'

const compress = promisify(zstdCompress)
const decompress = promisify(zstdDecompress)

/** How hard to compress: what zstd itself takes without further options. */
export const ZSTD_LEVELS = { lowest: 1, usual: 3, highest: 19 } as const

const PARAMS = {
  // Both cost a few bytes a frame: the size lets a decoder allocate once, the checksum finds a bit that flipped on disk.
  [constants.ZSTD_c_contentSizeFlag]: 1,
  [constants.ZSTD_c_checksumFlag]: 1,
}

/** Compress the content of one frame: at most `LIMITS.frameBytes`. Frames joined are one valid zstd file (RFC 8878 §3.1). */
export function compressFrame(content: Uint8Array, level: number = ZSTD_LEVELS.usual): Promise<Uint8Array> {
  // The default output chunk of 16 KiB halves the speed; the bound of zstd for incompressible input is below this.
  const chunkSize = content.byteLength + (content.byteLength >> 7) + 1024
  return compress(content, { params: { ...PARAMS, [constants.ZSTD_c_compressionLevel]: level }, chunkSize })
}

/** Decompress one frame; never more than `sizeBytes`, the content it must have. */
export async function decompressFrame(frame: Uint8Array, sizeBytes: number): Promise<Uint8Array> {
  const content = await decompress(frame, {
    maxOutputLength: Math.max(sizeBytes, 1),
    chunkSize: Math.max(sizeBytes, 64),
  })
  if (content.byteLength !== sizeBytes)
    throw new Error(`a frame of ${content.byteLength} bytes where ${sizeBytes} belong`)
  return content
}

/** Pack the stored length of each frame as 32-bit little-endian integers. */
export function packFrames(lengths: readonly number[]): Uint8Array {
  const packed = new DataView(new ArrayBuffer(lengths.length * 4))
  lengths.forEach((length, index) => packed.setUint32(index * 4, length, true))
  return new Uint8Array(packed.buffer)
}

/** Where a frame lies in storage and which content it holds. */
export interface FramePosition {
  readonly storedStart: number
  readonly storedEnd: number
  readonly contentStart: number
  readonly contentEnd: number
}

/** The frames that hold the content bytes `[start, end)`, in order. */
export function* framesOf(packed: Uint8Array, sizeBytes: number, start: number, end: number): Generator<FramePosition> {
  const lengths = new DataView(packed.buffer, packed.byteOffset, packed.byteLength)
  if (start >= end) return
  let storedStart = 0
  for (let index = 0; index * 4 < packed.byteLength; index++) {
    const contentStart = index * LIMITS.frameBytes
    const contentEnd = Math.min(contentStart + LIMITS.frameBytes, sizeBytes)
    const storedEnd = storedStart + lengths.getUint32(index * 4, true)
    if (contentStart >= end) return
    if (contentEnd > start) yield { storedStart, storedEnd, contentStart, contentEnd }
    storedStart = storedEnd
  }
}
