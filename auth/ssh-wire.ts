import { DepotError } from '../src/errors.ts'

const LENGTH_BYTES = 4

/**
 * Split bytes into SSH strings (RFC 4251 §5: a 32-bit length, then so many bytes); `mpint` fields have the same frame. Every byte is
 * used.
 *
 * @throws DepotError `INVALID_NAME` when a field is cut or there are more than `max`.
 */
export function readStrings(bytes: Uint8Array, max: number): Uint8Array[] {
  const { strings, rest } = takeStrings(bytes, max)
  if (rest.length > 0) throw malformed()
  return strings
}

/**
 * Read up to `max` SSH strings, and leave what comes after them.
 *
 * @throws DepotError `INVALID_NAME` when one of them is cut.
 */
export function takeStrings(bytes: Uint8Array, max: number): { strings: Uint8Array[]; rest: Uint8Array } {
  const strings: Uint8Array[] = []
  let rest = bytes
  while (strings.length < max && rest.length > 0) {
    const end = LENGTH_BYTES + readUint32(rest)
    if (end > rest.length) throw malformed()
    strings.push(rest.subarray(LENGTH_BYTES, end))
    rest = rest.subarray(end)
  }
  return { strings, rest }
}

/**
 * The 32-bit number at the beginning, most significant byte first.
 *
 * @throws DepotError `INVALID_NAME` when there are fewer bytes.
 */
export function readUint32(bytes: Uint8Array): number {
  if (bytes.length < LENGTH_BYTES) throw malformed()
  return new DataView(bytes.buffer, bytes.byteOffset).getUint32(0)
}

/**
 * The digits of a positive `mpint` without its sign byte.
 *
 * @throws DepotError `INVALID_NAME` for zero, a negative number, and one that is longer than it needs to be.
 */
export function readPositive(mpint: Uint8Array): Uint8Array {
  const [first = 0, second = 0] = mpint
  if (mpint.length === 0 || first >= 0x80) throw malformed()
  if (first !== 0) return mpint
  if (second < 0x80) throw malformed()
  return mpint.subarray(1)
}

/** One SSH string: the length of the bytes, then the bytes. */
export function writeString(bytes: Uint8Array): Uint8Array {
  return Buffer.concat([writeUint32(bytes.length), bytes])
}

/** A 32-bit number, most significant byte first. */
export function writeUint32(value: number): Uint8Array {
  const bytes = Buffer.alloc(LENGTH_BYTES)
  bytes.writeUInt32BE(value)
  return bytes
}

/** Text that a file or an agent gives, fit for a terminal: what would move its cursor is left out. */
export function printable(bytes: Uint8Array): string {
  return new TextDecoder().decode(bytes.subarray(0, 200)).replaceAll(/\p{C}/gu, '')
}

function malformed(): DepotError {
  return new DepotError('INVALID_NAME', 'not what SSH writes: a field is cut, too long, or one too many')
}
