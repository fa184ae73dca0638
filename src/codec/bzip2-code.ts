import type { BitReader } from './bits.ts'

/** A prefix code as bzip2 writes them: shorter codes first, equal lengths in the order of their symbols. */
export interface PrefixCode {
  /** For the next TABLE_BITS bits: `symbol << 5 | length` of the code they begin with, or 0 when it is longer. */
  readonly table: Uint16Array
  /** For each length: the first number behind its codes, as LENGTH_MAX bits. */
  readonly limits: Uint32Array
  /** For each length: what to add to a code to get its place in `symbols`. */
  readonly offsets: Int32Array
  readonly symbols: Uint16Array
}

const LENGTH_MAX = 20
const TABLE_BITS = 10

/** The code in which symbol n has `lengths[n]` bits, 1 to 20. */
export function buildCode(lengths: Uint8Array): PrefixCode {
  const table = new Uint16Array(1 << TABLE_BITS)
  const limits = new Uint32Array(LENGTH_MAX + 1)
  const offsets = new Int32Array(LENGTH_MAX + 1)
  const symbols = new Uint16Array(lengths.length)
  let code = 0
  let place = 0
  for (let length = 1; length <= LENGTH_MAX; length++) {
    offsets[length] = place - code
    lengths.forEach((own, symbol) => {
      if (own !== length) return
      symbols[place++] = symbol
      if (length <= TABLE_BITS) {
        const first = code << (TABLE_BITS - length)
        table.fill((symbol << 5) | length, first, first + (1 << (TABLE_BITS - length)))
      }
      code++
    })
    limits[length] = code << (LENGTH_MAX - length)
    code <<= 1
  }
  return { table, limits, offsets, symbols }
}

/** The next symbol, or -1 when the bits are no code. */
export function decodeSymbol(bits: BitReader, { table, limits, offsets, symbols }: PrefixCode): number {
  const entry = table[bits.peek(TABLE_BITS)] ?? 0
  if (entry !== 0) {
    bits.read(entry & 31)
    return entry >> 5
  }
  const ahead = bits.peek(LENGTH_MAX)
  for (let length = 1; length <= LENGTH_MAX; length++) {
    if (ahead >= (limits[length] ?? 0)) continue
    return symbols[bits.read(length) + (offsets[length] ?? 0)] ?? -1
  }
  return -1
}
