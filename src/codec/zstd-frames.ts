import { constants, createZstdDecompress } from 'node:zlib'

import { LIMITS } from '../limits.ts'
import { createPieceBudget } from './piece-budget.ts'
import { notWhole, through } from './through.ts'

const OPTIONS = {
  params: { [constants.ZSTD_d_windowLogMax]: LIMITS.zstdWindowLogMax },
  chunkSize: LIMITS.decoderOutputBytes,
}

/**
 * Decode a zstd file of any number of frames. Node's decoder ends in silence behind the first one, so the frames are told apart
 * here and each that holds something gets a decoder of its own.
 *
 * @throws DepotError `CONTENT_MISMATCH`, and whatever the input throws
 */
export async function* decodeZstd(input: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  const pieces = input[Symbol.asyncIterator]()
  let piece: Uint8Array = new Uint8Array(0)
  let offset = 0

  async function more(): Promise<boolean> {
    while (offset === piece.byteLength) {
      const next = await pieces.next()
      if (next.done === true) return false
      piece = next.value
      offset = 0
    }
    return true
  }

  /** Where it is known which kind of frame begins, and the bytes that told it. */
  async function open(): Promise<{ readonly scanner: FrameScanner; readonly head: Uint8Array }> {
    const scanner = createFrameScanner()
    const head: number[] = []
    while (scanner.kind === undefined) {
      if (!(await more())) throw notWhole('zstd', 'it ends inside a frame')
      head.push(piece[offset] ?? 0)
      offset = scanner.scan(piece.subarray(0, offset + 1), offset)
    }
    return { scanner, head: Uint8Array.from(head) }
  }

  async function* rest(scanner: FrameScanner, head: Uint8Array): AsyncGenerator<Uint8Array> {
    for (let before = head; !scanner.done; before = NOTHING) {
      if (!(await more())) throw notWhole('zstd', 'it ends inside a frame')
      const start = offset
      offset = scanner.scan(piece, start)
      const part = piece.subarray(start, offset)
      yield before.byteLength === 0 ? part : Buffer.concat([before, part])
    }
  }

  const budget = createPieceBudget('zstd')
  try {
    while (await more()) {
      const { scanner, head } = await open()
      if (scanner.kind === 'skippable') {
        for await (const _ of rest(scanner, head));
        continue
      }
      budget.begin()
      for await (const content of through(rest(scanner, head), createZstdDecompress(OPTIONS), 'zstd')) {
        budget.spend(content.byteLength)
        yield content
      }
    }
  } finally {
    await pieces.return?.()
  }
}

const NOTHING = new Uint8Array(0)

/** Finds where one frame ends (RFC 8878 §3.1.1, §3.1.2), without decoding it. */
export interface FrameScanner {
  /** Known from its first four bytes on: one that holds content, or one that decoders pass over. */
  readonly kind: 'content' | 'skippable' | undefined
  /** The frame was seen to its last byte. */
  readonly done: boolean
  /**
   * Go on at `offset`; returns where the frame ends in this piece, or the end of the piece.
   *
   * @throws DepotError `CONTENT_MISMATCH` when it is no frame
   */
  scan(bytes: Uint8Array, offset: number): number
}

const MAGIC = 0xfd2fb528
const SKIPPABLE_MAGIC = 0x184d2a50

type Field = 'magic' | 'skippable size' | 'descriptor' | 'block header' | 'end'

const FIELD_BYTES = { magic: 4, 'skippable size': 4, descriptor: 1, 'block header': 3, end: 0 } as const

export function createFrameScanner(): FrameScanner {
  let field: Field = 'magic'
  /** Bytes that are passed over before `field` begins. */
  let skip = 0
  let value = 0
  let got = 0
  let checksumBytes = 0
  let kind: FrameScanner['kind']

  function onField(): Field {
    switch (field) {
      case 'magic':
        kind = (value & 0xfffffff0) >>> 0 === SKIPPABLE_MAGIC ? 'skippable' : 'content'
        if (kind === 'skippable') return 'skippable size'
        if (value === MAGIC) return 'descriptor'
        throw notWhole('zstd', 'something else than a frame follows')
      case 'skippable size':
        skip = value
        return 'end'
      case 'descriptor':
        skip = headerBytes(value)
        checksumBytes = value & 0x04 ? 4 : 0
        return 'block header'
      default:
        skip = ((value >> 1) & 3) === RLE ? 1 : value >> 3
        if ((value & 1) === 0) return 'block header'
        skip += checksumBytes
        return 'end'
    }
  }

  return {
    get kind() {
      return kind
    },
    get done() {
      return field === 'end' && skip === 0
    },
    scan(bytes, start) {
      let offset = start
      while (offset < bytes.byteLength) {
        const skipped = Math.min(skip, bytes.byteLength - offset)
        skip -= skipped
        offset += skipped
        if (skip > 0 || field === 'end') break
        const byte = bytes[offset]
        if (byte === undefined) break
        value += byte * 2 ** (8 * got)
        got++
        offset++
        if (got < FIELD_BYTES[field]) continue
        field = onField()
        value = 0
        got = 0
      }
      return offset
    },
  }
}

/** Block type whose content is one byte, however long it becomes. */
const RLE = 1

/** Bytes of the frame header behind its descriptor: window, dictionary id and content size. */
function headerBytes(descriptor: number): number {
  const singleSegment = (descriptor & 0x20) !== 0
  const sizeFlag = descriptor >> 6
  const sizeBytes = [singleSegment ? 1 : 0, 2, 4, 8][sizeFlag] ?? 0
  const dictionaryBytes = [0, 1, 2, 4][descriptor & 3] ?? 0
  return (singleSegment ? 0 : 1) + dictionaryBytes + sizeBytes
}
