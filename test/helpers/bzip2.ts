/**
 * A bzip2 file with one block of at most some kilobytes, for tests: no encoder comes with Node. Real files, of the client's own
 * encoder, go through the e2e tests.
 */
export function bzip2Compress(content: Uint8Array): Buffer {
  const bits: string[] = []
  const put = (value: number, count: number): void => void bits.push(value.toString(2).padStart(count, '0'))
  put(0x425a68, 24)
  put(0x39, 8)
  const crc = crcOf(content)
  if (content.byteLength > 0) putBlock(put, content, crc)
  put(0x177245, 24)
  put(0x385090, 24)
  // The checksum of one block is that of the file too; of none, zero.
  put(content.byteLength > 0 ? crc : 0, 32)
  const joined = bits.join('')
  const bytes = joined.padEnd(Math.ceil(joined.length / 8) * 8, '0').match(/.{8}/g) ?? []
  return Buffer.from(bytes.map((byte) => Number.parseInt(byte, 2)))
}

type Put = (value: number, count: number) => void

/** Wide enough for every symbol: all codes have the same length, which the format allows. */
const CODE_BITS = 9

function putBlock(put: Put, content: Uint8Array, crc: number): void {
  const { last, origin } = sortRotations(shortenRuns(content))
  const inUse = [...new Set(last)].sort((a, b) => a - b)
  const symbols = moveToFront(last, inUse)
  put(0x314159, 24)
  put(0x265359, 24)
  put(crc, 32)
  put(0, 1)
  put(origin, 24)
  putBytesInUse(put, inUse)
  put(2, 3)
  const groups = Math.ceil(symbols.length / 50)
  put(groups, 15)
  for (let group = 0; group < groups; group++) put(0, 1)
  for (let table = 0; table < 2; table++) {
    put(CODE_BITS, 5)
    for (let symbol = 0; symbol < inUse.length + 2; symbol++) put(0, 1)
  }
  for (const symbol of symbols) put(symbol, CODE_BITS)
}

/** Four equal bytes are followed by how many more there are. */
function shortenRuns(content: Uint8Array): number[] {
  const short: number[] = []
  for (let index = 0; index < content.length;) {
    let run = 1
    while (run < 259 && content[index + run] === content[index]) run++
    const byte = content[index] ?? 0
    for (let count = 0; count < Math.min(run, 4); count++) short.push(byte)
    if (run >= 4) short.push(run - 4)
    index += run
  }
  return short
}

function sortRotations(block: readonly number[]): { readonly last: number[]; readonly origin: number } {
  const at = (index: number): number => block[index % block.length] ?? 0
  const order = block.map((_, index) => index)
  order.sort((a, b) => {
    for (let offset = 0; offset < block.length; offset++) {
      const difference = at(a + offset) - at(b + offset)
      if (difference !== 0) return difference
    }
    return 0
  })
  return { last: order.map((start) => at(start + block.length - 1)), origin: order.indexOf(0) }
}

function moveToFront(last: readonly number[], inUse: readonly number[]): number[] {
  const front = [...inUse]
  const symbols: number[] = []
  let zeros = 0
  const flush = (): void => {
    for (; zeros > 0; zeros = (zeros - 1) >> 1) symbols.push(zeros % 2 === 1 ? 0 : 1)
  }
  for (const byte of last) {
    const place = front.indexOf(byte)
    if (place === 0) {
      zeros++
      continue
    }
    flush()
    front.splice(place, 1)
    front.unshift(byte)
    symbols.push(place + 1)
  }
  flush()
  return [...symbols, inUse.length + 1]
}

function putBytesInUse(put: Put, inUse: readonly number[]): void {
  const rows = Array.from({ length: 16 }, (_, row) => inUse.filter((byte) => byte >> 4 === row))
  put(Number.parseInt(rows.map((row) => (row.length > 0 ? '1' : '0')).join(''), 2), 16)
  for (const [row, bytes] of rows.entries()) {
    if (bytes.length === 0) continue
    const columns = Array.from({ length: 16 }, (_, column) => (bytes.includes(row * 16 + column) ? '1' : '0'))
    put(Number.parseInt(columns.join(''), 2), 16)
  }
}

function crcOf(content: Uint8Array): number {
  let crc = 0xffffffff
  for (const byte of content) {
    crc ^= byte << 24
    for (let bit = 0; bit < 8; bit++) crc = crc & 0x80000000 ? (crc << 1) ^ 0x04c11db7 : crc << 1
  }
  return ~crc >>> 0
}
