import { DepotError } from '../errors.ts'

/** A piece of a zstd file and where it belongs. */
export interface FramePiece {
  readonly bytes: Uint8Array
  /** Part of a frame with content; false inside a skippable one. */
  readonly content: boolean
  /** The frame ends with this piece. */
  readonly ends: boolean
}

/** Cuts a zstd file at its frame borders by walking headers and block lengths, without decompressing (RFC 8878 §3.1). */
export interface FrameCutter {
  /** The pieces of the next bytes; views of `bytes`. @throws DepotError `CONTENT_MISMATCH` for what is not zstd */
  cut(bytes: Uint8Array): Generator<FramePiece>
  /** True between two frames: the only place where a file may end. */
  readonly atBorder: boolean
}

type State = 'magic' | 'descriptor' | 'block' | 'checksum' | 'skip-size'

const DICTIONARY_BYTES = [0, 1, 2, 4]
const SIZE_BYTES = [0, 2, 4, 8]

/** Why it exists: node:zlib ends at the end of the first frame and drops what follows in the same piece, in silence. */
export function createFrameCutter(): FrameCutter {
  let state: State = 'magic'
  /** Bytes of the field that decides what comes next. */
  const field = Buffer.alloc(8)
  let wanted = 4
  let have = 0
  /** Bytes that need no look: block content, a skipped frame. */
  let passing = 0
  let hasChecksum = false
  let content = true

  function want(next: State, bytes: number): void {
    state = next
    wanted = bytes
    have = 0
  }

  function pass(bytes: number, next: State, nextWanted: number): void {
    want(next, nextWanted)
    passing = bytes
  }

  /** Look at a field that is whole. */
  function settle(): void {
    switch (state) {
      case 'magic':
        return settleMagic()
      case 'skip-size':
        return pass(field.readUInt32LE(0), 'magic', 4)
      case 'descriptor':
        return settleDescriptor(field[0] ?? 0)
      case 'block':
        return settleBlock(field.readUIntLE(0, 3))
      case 'checksum':
        return want('magic', 4)
    }
  }

  function settleMagic(): void {
    const magic = field.readUInt32LE(0)
    content = magic === 0xfd2fb528
    if (content) return want('descriptor', 1)
    if (magic >>> 4 !== 0x184d2a5) throw new DepotError('CONTENT_MISMATCH', 'behind a zstd frame comes something else')
    want('skip-size', 4)
  }

  function settleDescriptor(descriptor: number): void {
    const single = (descriptor & 0x20) !== 0
    if ((descriptor & 0x08) !== 0) throw new DepotError('CONTENT_MISMATCH', 'a zstd frame uses a reserved bit')
    hasChecksum = (descriptor & 0x04) !== 0
    const sizeFlag = descriptor >> 6
    const sizeBytes = sizeFlag === 0 && single ? 1 : (SIZE_BYTES[sizeFlag] ?? 0)
    const rest = (single ? 0 : 1) + (DICTIONARY_BYTES[descriptor & 3] ?? 0) + sizeBytes
    pass(rest, 'block', 3)
  }

  function settleBlock(header: number): void {
    const last = (header & 1) !== 0
    const type = (header >> 1) & 3
    if (type === 3) throw new DepotError('CONTENT_MISMATCH', 'a zstd frame has a block of a reserved type')
    const bytes = type === 1 ? 1 : header >> 3
    if (!last) pass(bytes, 'block', 3)
    else if (hasChecksum) pass(bytes, 'checksum', 4)
    else pass(bytes, 'magic', 4)
  }

  const atBorder = (): boolean => state === 'magic' && have === 0 && passing === 0

  return {
    *cut(bytes) {
      let start = 0
      let offset = 0
      while (offset < bytes.byteLength) {
        if (passing > 0) {
          const passed = Math.min(passing, bytes.byteLength - offset)
          passing -= passed
          offset += passed
          if (passing > 0) break
        } else {
          const taken = Math.min(wanted - have, bytes.byteLength - offset)
          field.set(bytes.subarray(offset, offset + taken), have)
          have += taken
          offset += taken
          if (have < wanted) break
          settle()
        }
        if (passing === 0 && atBorder()) {
          yield { bytes: bytes.subarray(start, offset), content, ends: true }
          start = offset
        }
      }
      if (start < offset) yield { bytes: bytes.subarray(start, offset), content, ends: false }
    },
    get atBorder() {
      return atBorder()
    },
  }
}
