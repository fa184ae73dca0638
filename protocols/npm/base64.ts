import { DepotError } from '../../src/errors.ts'

/** Decodes base64 (RFC 4648 §4, with padding) that arrives in pieces. */
export interface Base64Decoder {
  /** Bytes that `text` (ASCII) completes. @throws DepotError `BAD_REQUEST` */
  push(text: Uint8Array): Uint8Array
  /** @throws DepotError `BAD_REQUEST` when the text ended inside a group of four */
  end(): void
}

export function createBase64Decoder(): Base64Decoder {
  let carry = ''
  let ended = false

  return {
    push(text) {
      if (text.byteLength === 0) return EMPTY
      if (ended) throw malformed()
      const all = carry + Buffer.from(text.buffer, text.byteOffset, text.byteLength).toString('latin1')
      const whole = all.length - (all.length % 4)
      carry = all.slice(whole)
      const padding = all.slice(0, whole).indexOf('=')
      if (padding === -1) return decode(all.slice(0, whole), whole)
      // Padding is the end: at most two of the last group, and nothing behind it.
      if (carry !== '' || padding < whole - 2) throw malformed()
      ended = true
      return decode(all, padding)
    },
    end() {
      if (carry !== '') throw malformed()
    },
  }
}

const EMPTY = new Uint8Array()

/** Node skips what is not base64 instead of refusing it: the length betrays that. `digits` are those before the padding. */
function decode(text: string, digits: number): Uint8Array {
  const bytes = Buffer.from(text, 'base64')
  if (bytes.byteLength !== Math.floor((digits * 3) / 4)) throw malformed()
  return bytes
}

function malformed(): DepotError {
  return new DepotError('BAD_REQUEST', 'the attachment is not base64')
}
