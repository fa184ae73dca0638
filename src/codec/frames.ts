import { constants, createZstdCompress, zstdDecompress, type ZstdCompress } from 'node:zlib'
import { promisify } from 'node:util'

import { LIMITS } from '../limits.ts'

const decompress = promisify(zstdDecompress)

/** How hard to compress: what zstd itself takes without further options. */
export const ZSTD_LEVELS = { lowest: 1, usual: 3, highest: 19 } as const

const PARAMS = {
  // Both cost a few bytes a frame: the size lets a decoder allocate once, the checksum finds a bit that flipped on disk.
  [constants.ZSTD_c_contentSizeFlag]: 1,
  [constants.ZSTD_c_checksumFlag]: 1,
}

/** Compresses the frames of one file, several side by side; disposing it lets go of what they were compressed in. */
export interface FrameCompressor extends Disposable {
  /**
   * One frame of at most `LIMITS.frameBytes` of content, in pieces. Frames joined are one valid zstd file (RFC 8878 §3.1). The content must
   * not change before they are there. Pieces of later frames may lie behind these in the same memory, and none before them.
   */
  compress(content: Uint8Array): Promise<readonly Uint8Array[]>
}

/** Contexts and output are used again from frame to frame: megabytes that come and go have the collector run all the time. */
export function frameCompressor(level: number = ZSTD_LEVELS.usual): FrameCompressor {
  const idle: ZstdCompress[] = []
  let disposed = false
  return {
    async compress(content) {
      const compressor = idle.pop() ?? openCompressor(level, content.byteLength)
      const pieces = await compressedBy(compressor, content)
      if (disposed) compressor.destroy()
      else idle.push(compressor)
      return pieces
    },
    [Symbol.dispose]() {
      disposed = true
      for (const compressor of idle) compressor.destroy()
    },
  }
}

/** @param sizeBytes of the first content: of a file with more than one frame, none is larger */
function openCompressor(level: number, sizeBytes: number): ZstdCompress {
  const options = {
    params: { ...PARAMS, [constants.ZSTD_c_compressionLevel]: level },
    // The default output of 16 KiB halves the speed; the bound of zstd for incompressible input is below this.
    chunkSize: sizeBytes + (sizeBytes >> 7) + 1024,
    // Each write is a whole frame, whose size is known when it begins.
    flush: constants.ZSTD_e_end,
    // So that pieces are handed out as they are, rather than joined.
    readableObjectMode: true,
  }
  // A failure also comes out of the write.
  return createZstdCompress(options).on('error', () => {})
}

function compressedBy(compressor: ZstdCompress, content: Uint8Array): Promise<readonly Uint8Array[]> {
  return new Promise((resolve, reject) => {
    compressor.write(content, (error) => {
      if (error) {
        reject(error)
        return
      }
      const pieces: Uint8Array[] = []
      for (let piece = next(compressor); piece !== null; piece = next(compressor)) pieces.push(piece)
      resolve(pieces)
    })
  })
}

function next(compressor: ZstdCompress): Uint8Array | null {
  return compressor.read() as Uint8Array | null
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
