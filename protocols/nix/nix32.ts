const ALPHABET = '0123456789abcdfghijklmnpqrsvwxyz'
const VALUES = new Map(ALPHABET.split('').map((digit, value) => [digit, value]))

/** A regular expression's class for one digit of Nix's base 32: digits and letters without e, o, t, u. */
export const NIX32_CLASS = '[0-9a-df-np-sv-z]'

/** Bytes in Nix's base 32, which begins with the last bits: a sha256 has 52 digits, a store hash of 20 bytes 32. */
export function encodeNix32(bytes: Uint8Array): string {
  let text = ''
  for (let digit = nix32Length(bytes.byteLength) - 1; digit >= 0; digit--) {
    const bit = digit * 5
    const low = (bytes[bit >> 3] ?? 0) >> (bit & 7)
    const high = (bytes[(bit >> 3) + 1] ?? 0) << (8 - (bit & 7))
    text += ALPHABET.charAt((low | high) & 31)
  }
  return text
}

/** The `sizeBytes` bytes that `text` stands for, or undefined when it is not their one spelling. */
export function decodeNix32(text: string, sizeBytes: number): Uint8Array | undefined {
  if (text.length !== nix32Length(sizeBytes)) return undefined
  const bytes = new Uint8Array(sizeBytes)
  for (let index = 0; index < text.length; index++) {
    const value = VALUES.get(text.charAt(index))
    if (value === undefined) return undefined
    const bit = (text.length - 1 - index) * 5
    const [at, shift] = [bit >> 3, bit & 7]
    bytes[at] = (bytes[at] ?? 0) | ((value << shift) & 0xff)
    const carry = value >> (8 - shift)
    if (at + 1 < sizeBytes) bytes[at + 1] = (bytes[at + 1] ?? 0) | carry
    else if (carry !== 0) return undefined
  }
  return bytes
}

/** A sha256 given as hex, in base 32. */
export function nix32OfHex(hex: string): string {
  return encodeNix32(Buffer.from(hex, 'hex'))
}

/** A sha256 given in base 32, as hex, or undefined when it is none. */
export function hexOfNix32(text: string): string | undefined {
  const bytes = decodeNix32(text, SHA256_BYTES)
  return bytes === undefined ? undefined : Buffer.from(bytes).toString('hex')
}

const SHA256_BYTES = 32

function nix32Length(sizeBytes: number): number {
  return Math.ceil((sizeBytes * 8) / 5)
}
