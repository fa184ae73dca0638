import { buildCode, decodeSymbol, type PrefixCode } from './bzip2-code.ts'
import { BitReader, InputEnded } from './bits.ts'

/** The bytes are no bzip2 data, or not whole. */
export class Bzip2Error extends Error {}

/** Decompresses bzip2 files, also several one behind the other. Synchronous: belongs in a thread of its own. */
export interface Bunzip {
  push(bytes: Uint8Array): void
  /** @throws Bzip2Error when the file is not whole */
  end(): void
}

/** Block sort takes four bytes for each of a block's 900,000; everything else is small. `emit` gets memory it may keep. */
export function createBunzip(emit: (bytes: Uint8Array<ArrayBuffer>) => void): Bunzip {
  const input = createInput()
  const block = createBlock(emit)
  let bytesPerBlock = 0
  let combinedCrc = 0

  function step(): void {
    const { bits } = input
    if (bytesPerBlock === 0) {
      bytesPerBlock = readStreamHeader(bits)
      combinedCrc = 0
      return
    }
    const [high, low] = [bits.read(24), bits.read(24)]
    if (high === BLOCK_MAGIC[0] && low === BLOCK_MAGIC[1]) {
      const crc = block.decode(bits, bytesPerBlock)
      combinedCrc = (((combinedCrc << 1) | (combinedCrc >>> 31)) ^ crc) >>> 0
      return
    }
    if (high !== END_MAGIC[0] || low !== END_MAGIC[1]) throw new Bzip2Error('a block does not begin where one must')
    if (bits.read32() !== combinedCrc) throw new Bzip2Error('the checksum of the file does not agree')
    bits.align()
    bytesPerBlock = 0
  }

  function guarded(work: () => void): void {
    try {
      work()
    } catch (error) {
      if (error instanceof InputEnded) throw new Bzip2Error('the data ends in the middle')
      throw error
    }
  }

  return {
    push: (bytes) => guarded(() => input.push(bytes, step)),
    end() {
      guarded(() => {
        while (input.bits.bytesLeft > 0) step()
      })
      block.flush()
      if (bytesPerBlock !== 0) throw new Bzip2Error('the data ends in the middle')
    },
  }
}

const BLOCK_MAGIC = [0x314159, 0x265359] as const
const END_MAGIC = [0x177245, 0x385090] as const

function readStreamHeader(bits: BitReader): number {
  const magic = bits.read(24)
  const level = bits.read(8) - 0x30
  if (magic !== 0x425a68 || level < 1 || level > 9) throw new Bzip2Error('there is something else than bzip2 data')
  return level * 100_000
}

/** More than a block can take: 900,000 symbols of at most 20 bits, and its tables. */
const BLOCK_INPUT_BYTES = 3 * 1024 * 1024

/** Gathers input until a block must be whole in it, so that decoding need not stop in the middle of one. */
function createInput(): { readonly bits: BitReader; push(bytes: Uint8Array, step: () => void): void } {
  const buffer = new Uint8Array(2 * BLOCK_INPUT_BYTES)
  const bits = new BitReader(buffer)
  return {
    bits,
    push(bytes, step) {
      for (let offset = 0; offset < bytes.byteLength;) {
        if (bits.end === buffer.byteLength) bits.moveToFront()
        const part = bytes.subarray(offset, offset + buffer.byteLength - bits.end)
        buffer.set(part, bits.end)
        bits.end += part.byteLength
        offset += part.byteLength
        while (bits.bytesLeft >= BLOCK_INPUT_BYTES) step()
      }
    },
  }
}

const RUN_A = 0
const RUN_B = 1
const SYMBOLS_PER_GROUP = 50

interface Block {
  /** Decode one block behind its magic, emit its content and return its checksum. */
  decode(bits: BitReader, bytesMax: number): number
  flush(): void
}

function createBlock(emit: (bytes: Uint8Array<ArrayBuffer>) => void): Block {
  const sorted = new Uint32Array(900_000)
  const counts = new Uint32Array(256)
  const writer = createRunWriter(emit)

  return {
    decode(bits, bytesMax) {
      const crc = bits.read32()
      if (bits.read(1) !== 0) throw new Bzip2Error('it is randomised, which bzip2 gave up in 1997')
      const origin = bits.read(24)
      const length = readSorted(bits, sorted.subarray(0, bytesMax), counts)
      if (origin >= length) throw new Bzip2Error('a block points outside itself')
      linkSorted(sorted, length, counts)
      writer.write(sorted, length, origin)
      if (writer.takeCrc() !== crc) throw new Bzip2Error('the checksum of a block does not agree')
      return crc
    },
    flush: () => writer.flush(),
  }
}

/** Undo the prefix codes, the runs and the move to front; the bytes land in `sorted`, their frequencies in `counts`. */
function readSorted(bits: BitReader, sorted: Uint32Array, counts: Uint32Array): number {
  const bytes = readBytesInUse(bits)
  const codeCount = bits.read(3)
  const selectorCount = bits.read(15)
  if (codeCount < 2 || codeCount > 6 || selectorCount === 0 || bytes.byteLength === 0)
    throw new Bzip2Error('a block has impossible tables')
  const selectors = readSelectors(bits, selectorCount, codeCount)
  const codes = Array.from({ length: codeCount }, () => readCode(bits, bytes.byteLength + 2))
  return readSymbols(bits, { bytes, selectors, codes, sorted, counts })
}

function readBytesInUse(bits: BitReader): Uint8Array {
  const rows = bits.read(16)
  const inUse: number[] = []
  for (let row = 0; row < 16; row++) {
    if (((rows >> (15 - row)) & 1) === 0) continue
    const columns = bits.read(16)
    for (let column = 0; column < 16; column++) if ((columns >> (15 - column)) & 1) inUse.push(row * 16 + column)
  }
  return Uint8Array.from(inUse)
}

function readSelectors(bits: BitReader, count: number, codeCount: number): Uint8Array {
  const order = [0, 1, 2, 3, 4, 5]
  return Uint8Array.from({ length: count }, () => {
    let place = 0
    while (bits.read(1) === 1) if (++place >= codeCount) throw new Bzip2Error('a selector is out of range')
    const [code = 0] = order.splice(place, 1)
    order.unshift(code)
    return code
  })
}

function readCode(bits: BitReader, symbolCount: number): PrefixCode {
  let length = bits.read(5)
  const lengths = Uint8Array.from({ length: symbolCount }, () => {
    for (;;) {
      if (length < 1 || length > 20) throw new Bzip2Error('a code is too long')
      if (bits.read(1) === 0) return length
      length += bits.read(1) === 0 ? 1 : -1
    }
  })
  return buildCode(lengths)
}

interface Tables {
  readonly bytes: Uint8Array
  readonly selectors: Uint8Array
  readonly codes: readonly PrefixCode[]
  readonly sorted: Uint32Array
  readonly counts: Uint32Array
}

function readSymbols(bits: BitReader, { bytes, selectors, codes, sorted, counts }: Tables): number {
  const endOfBlock = bytes.byteLength + 1
  const front = Uint8Array.from(bytes)
  counts.fill(0)
  let length = 0
  let run = 0
  let weight = 1
  let group = 0
  let left = 0
  let code: PrefixCode | undefined
  for (;;) {
    if (left === 0) {
      code = codes[selectors[group++] ?? codes.length]
      left = SYMBOLS_PER_GROUP
    }
    if (code === undefined) throw new Bzip2Error('a block has too few selectors')
    left--
    const symbol = decodeSymbol(bits, code)
    if (symbol === RUN_A || symbol === RUN_B) {
      // A run's length in base two with the digits 1 and 2, lowest first.
      run += weight * (symbol + 1)
      weight *= 2
      if (run > sorted.length - length) throw new Bzip2Error('a block is longer than it may be')
      continue
    }
    if (run > 0) {
      const byte = front[0] ?? 0
      sorted.fill(byte, length, length + run)
      counts[byte] = (counts[byte] ?? 0) + run
      length += run
      run = 0
      weight = 1
    }
    if (symbol === endOfBlock) return length
    if (symbol < 0 || symbol > endOfBlock || length >= sorted.length)
      throw new Bzip2Error('a block is longer than it may be')
    const place = symbol - 1
    const byte = front[place] ?? 0
    front.copyWithin(1, 0, place)
    front[0] = byte
    counts[byte] = (counts[byte] ?? 0) + 1
    sorted[length++] = byte
  }
}

/** Put into the upper 24 bits of each place where the walk through the block goes next. */
function linkSorted(sorted: Uint32Array, length: number, counts: Uint32Array): void {
  let sum = 0
  for (let byte = 0; byte < 256; byte++) {
    const count = counts[byte] ?? 0
    counts[byte] = sum
    sum += count
  }
  for (let index = 0; index < length; index++) {
    const byte = (sorted[index] ?? 0) & 0xff
    const place = counts[byte] ?? 0
    counts[byte] = place + 1
    sorted[place] = (sorted[place] ?? 0) | (index << 8)
  }
}

const OUTPUT_BYTES = 256 * 1024

interface RunWriter {
  write(sorted: Uint32Array, length: number, origin: number): void
  /** Checksum of what was written since the last call. */
  takeCrc(): number
  flush(): void
}

/** Walks through a block and writes it out, where the fifth byte of a run says how much longer the run is. */
function createRunWriter(emit: (bytes: Uint8Array<ArrayBuffer>) => void): RunWriter {
  let output = new Uint8Array(OUTPUT_BYTES)
  let filled = 0
  let crc = 0xffffffff

  function flush(): void {
    if (filled > 0) emit(output.subarray(0, filled))
    output = new Uint8Array(OUTPUT_BYTES)
    filled = 0
  }

  function repeat(byte: number, count: number): void {
    for (let index = 0; index < count; index++) {
      crc = (crc << 8) ^ (CRC_TABLE[(crc >>> 24) ^ byte] ?? 0)
      output[filled++] = byte
      if (filled === OUTPUT_BYTES) flush()
    }
  }

  return {
    write(sorted, length, origin) {
      let place = (sorted[origin] ?? 0) >>> 8
      let previous = -1
      let run = 0
      for (let index = 0; index < length; index++) {
        const entry = sorted[place] ?? 0
        place = entry >>> 8
        const byte = entry & 0xff
        if (run === 4) {
          repeat(previous, byte)
          run = 0
          previous = -1
          continue
        }
        run = byte === previous ? run + 1 : 1
        previous = byte
        crc = (crc << 8) ^ (CRC_TABLE[(crc >>> 24) ^ byte] ?? 0)
        output[filled++] = byte
        if (filled === OUTPUT_BYTES) flush()
      }
    },
    takeCrc() {
      const taken = ~crc >>> 0
      crc = 0xffffffff
      return taken
    },
    flush,
  }
}

/** CRC-32 with the highest bit first. */
const CRC_TABLE = Int32Array.from({ length: 256 }, (_, byte) => {
  let value = byte << 24
  for (let bit = 0; bit < 8; bit++) value = value & 0x80000000 ? (value << 1) ^ 0x04c11db7 : value << 1
  return value
})
