import { DepotError } from '../src/errors.ts'

const LENGTH_BYTES = 4

/**
 * Split bytes into SSH strings (RFC 4251 §5: a 32-bit length, then so many bytes); `mpint` fields have the same frame. Every byte is
 * used.
 *
 * @throws DepotError `INVALID_NAME` when a field is cut or there are more than `max`.
 */
export function readStrings(bytes: Uint8Array, max: number): Uint8Array[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const fields: Uint8Array[] = []
  for (let at = 0; at < bytes.length;) {
    if (fields.length === max || at + LENGTH_BYTES > bytes.length) throw malformed()
    const start = at + LENGTH_BYTES
    const end = start + view.getUint32(at)
    if (end > bytes.length) throw malformed()
    fields.push(bytes.subarray(start, end))
    at = end
  }
  return fields
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

function malformed(): DepotError {
  return new DepotError('INVALID_NAME', 'not what SSH writes: a field is cut, too long, or one too many')
}
