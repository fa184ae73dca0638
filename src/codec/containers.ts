import { crc32 } from 'node:zlib'

import type { ByteRange } from '../blobs/blob-store.ts'
import type { Source } from '../source.ts'
import { gathered } from '../gathered.ts'

/** Content, and what a container's checksums need to know of it beforehand. */
export interface Contained {
  readonly content: Source
  /** Hex. */
  readonly sha256: string
}

/**
 * A valid xz file around the content, as fast as copying: the format has chunks that are not compressed (LZMA2), and a
 * checksum of SHA-256, which a blob is known by anyway.
 */
export function xzContainer({ content, sha256 }: Contained): Source {
  const { sizeBytes } = content
  const chunks = Math.ceil(sizeBytes / XZ_CHUNK_BYTES)
  const blockHeader = withCrc(Uint8Array.of(0x02, 0x00, 0x21, 0x01, 0x00, 0x00, 0x00, 0x00))
  const unpaddedBytes = blockHeader.byteLength + sizeBytes + chunks * 3 + 1 + SHA256_BYTES
  const index = withCrc(padded([0x00, 0x01, ...varint(unpaddedBytes), ...varint(sizeBytes)]))
  const backward = new DataView(new ArrayBuffer(6))
  backward.setUint32(0, index.byteLength / 4 - 1, true)
  backward.setUint8(5, XZ_CHECK_SHA256)
  const footer = new Uint8Array(backward.buffer)
  return contain(content, {
    head: join(XZ_MAGIC, XZ_FLAGS, crcOf(XZ_FLAGS), blockHeader),
    cellBytes: XZ_CHUNK_BYTES,
    cellHeadBytes: 3,
    cellHead: (length, isFirst) => [isFirst ? 1 : 2, ((length - 1) >> 8) & 0xff, (length - 1) & 0xff],
    tail: join(
      // The end of the chunks, then zeros up to a multiple of four before the checksum.
      new Uint8Array(1 + ((4 - ((unpaddedBytes - SHA256_BYTES) % 4)) % 4)),
      Buffer.from(sha256, 'hex'),
      index,
      crcOf(footer),
      footer,
      Buffer.from('YZ'),
    ),
  })
}

/** A valid gzip file around the content, as fast as copying: deflate has blocks that are stored. `crc` is the content's CRC-32. */
export function gzipContainer({ content, crc }: { readonly content: Source; readonly crc: number }): Source {
  const trailer = new DataView(new ArrayBuffer(8))
  trailer.setUint32(0, crc, true)
  trailer.setUint32(4, content.sizeBytes % 2 ** 32, true)
  return contain(content, {
    head: GZIP_HEADER,
    cellBytes: GZIP_BLOCK_BYTES,
    cellHeadBytes: 5,
    cellHead: (length) => [0x00, length & 0xff, length >> 8, ~length & 0xff, (~length >> 8) & 0xff],
    tail: join(GZIP_LAST_BLOCK, new Uint8Array(trailer.buffer)),
  })
}

/** A valid brotli file around the content, as fast as copying: the format has meta-blocks that are not compressed. */
export function brotliContainer({ content }: { readonly content: Source }): Source {
  return contain(content, {
    head: BROTLI_HEADER,
    cellBytes: BROTLI_BLOCK_BYTES,
    cellHeadBytes: 3,
    // From the lowest bit: not the last one, four nibbles of length, the length less one, not compressed.
    cellHead: (length) => {
      const bits = ((length - 1) << 3) | (1 << 19)
      return [bits & 0xff, (bits >> 8) & 0xff, bits >> 16]
    },
    tail: BROTLI_LAST_BLOCK,
  })
}

const SHA256_BYTES = 32

// The .xz file format 1.1.0, §2.1.1: magic, then flags whose second byte names the check.
const XZ_MAGIC = Uint8Array.of(0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00)
const XZ_CHECK_SHA256 = 0x0a
const XZ_FLAGS = Uint8Array.of(0x00, XZ_CHECK_SHA256)
const XZ_CHUNK_BYTES = 0x10000

// RFC 1952: deflate, no name, no time, system unknown. RFC 1951 §3.2.4: a stored block of at most 65,535 bytes.
const GZIP_HEADER = Uint8Array.of(0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255)
const GZIP_BLOCK_BYTES = 0xffff
const GZIP_LAST_BLOCK = Uint8Array.of(0x01, 0x00, 0x00, 0xff, 0xff)

// RFC 7932 §9.1, §9.2: a window of 64 KiB, then an empty block of metadata, which ends on a whole byte.
const BROTLI_HEADER = Uint8Array.of(0x0c)
const BROTLI_BLOCK_BYTES = 0x10000
/** The last one, and empty. */
const BROTLI_LAST_BLOCK = Uint8Array.of(0x03)

interface Layout {
  readonly head: Uint8Array
  /** Content between two cell heads; the last cell may be shorter. */
  readonly cellBytes: number
  readonly cellHeadBytes: number
  readonly cellHead: (contentBytes: number, isFirst: boolean) => readonly number[]
  readonly tail: Uint8Array
}

function contain(content: Source, layout: Layout): Source {
  const cells = Math.ceil(content.sizeBytes / layout.cellBytes)
  const sizeBytes = layout.head.byteLength + content.sizeBytes + cells * layout.cellHeadBytes + layout.tail.byteLength
  return {
    sizeBytes,
    chunks: (range) => gathered(piecesOf(content, layout, sizeBytes, range)),
    [Symbol.asyncDispose]: () => content[Symbol.asyncDispose](),
  }
}

/** The parts of the file that lie in the range, in order. Only the cells that it touches are looked at. */
async function* piecesOf(
  content: Source,
  { head, cellBytes, cellHeadBytes, cellHead, tail }: Layout,
  sizeBytes: number,
  { start, end }: ByteRange,
): AsyncGenerator<Uint8Array> {
  const cut = (part: Uint8Array, at: number): Uint8Array =>
    part.subarray(Math.max(start - at, 0), Math.max(end - at, 0))
  const stride = cellHeadBytes + cellBytes
  const cellsEnd = sizeBytes - tail.byteLength
  const firstCell = Math.max(Math.floor((start - head.byteLength) / stride), 0)
  const reader = contentReader(content, {
    start: contentOffset(start),
    end: contentOffset(Math.min(end, cellsEnd)),
  })
  yield cut(head, 0)
  for (let cell = firstCell; ; cell++) {
    const at = head.byteLength + cell * stride
    if (at >= Math.min(end, cellsEnd)) break
    const length = Math.min(cellBytes, content.sizeBytes - cell * cellBytes)
    yield cut(Uint8Array.from(cellHead(length, cell === 0)), at)
    const from = Math.max(start, at + cellHeadBytes)
    const to = Math.min(end, at + cellHeadBytes + length)
    yield* reader(Math.max(to - from, 0))
  }
  yield cut(tail, cellsEnd)

  /** How much content lies before an offset of the file. */
  function contentOffset(offset: number): number {
    const inCells = Math.max(offset - head.byteLength, 0)
    const cell = Math.floor(inCells / stride)
    return Math.min(cell * cellBytes + Math.max((inCells % stride) - cellHeadBytes, 0), content.sizeBytes)
  }
}

/** Deals out one run over a range of the content in portions. */
function contentReader(content: Source, range: ByteRange): (count: number) => AsyncGenerator<Uint8Array> {
  const pieces = content.chunks(range)[Symbol.asyncIterator]()
  let piece: Uint8Array = new Uint8Array(0)
  return async function* take(count) {
    for (let left = count; left > 0;) {
      while (piece.byteLength === 0) {
        const next = await pieces.next()
        if (next.done === true) throw new Error('the content is shorter than its size')
        piece = next.value
      }
      const portion = piece.subarray(0, left)
      piece = piece.subarray(portion.byteLength)
      left -= portion.byteLength
      yield portion
    }
  }
}

/** A number in groups of seven bits, lowest first (.xz §1.2). */
function varint(value: number): number[] {
  const bytes: number[] = []
  for (let left = value; ; left = Math.floor(left / 128)) {
    if (left < 128) return [...bytes, left]
    bytes.push((left % 128) | 0x80)
  }
}

function padded(bytes: readonly number[]): Uint8Array {
  const whole = new Uint8Array(Math.ceil(bytes.length / 4) * 4)
  whole.set(bytes)
  return whole
}

function crcOf(bytes: Uint8Array): Uint8Array {
  const field = new DataView(new ArrayBuffer(4))
  field.setUint32(0, crc32(bytes), true)
  return new Uint8Array(field.buffer)
}

function withCrc(bytes: Uint8Array): Uint8Array {
  return join(bytes, crcOf(bytes))
}

function join(...parts: readonly Uint8Array[]): Uint8Array {
  return Buffer.concat(parts)
}
