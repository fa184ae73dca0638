/** What every archive begins with. */
export const NAR_MAGIC = 'nix-archive-1'

/** Of the field before each string, a little-endian number. */
export const LENGTH_BYTES = 8

/** The length of a string's bytes with the zeros behind them, up to a multiple of eight. */
export function padded(sizeBytes: number): number {
  return Math.ceil(sizeBytes / 8) * 8
}

/** Strings as archives have them (thesis figure 5.2): length, bytes, zeros up to a multiple of eight. */
export function narStrings(...values: readonly (Uint8Array | string)[]): Uint8Array {
  return Buffer.concat(
    values.flatMap((value) => {
      const bytes = typeof value === 'string' ? Buffer.from(value) : value
      return [narLength(bytes.byteLength), bytes, narPadding(bytes.byteLength)]
    }),
  )
}

/** How long `narStrings` makes them. */
export function narStringsBytes(...values: readonly (Uint8Array | string)[]): number {
  return values.reduce((sum, value) => sum + LENGTH_BYTES + padded(Buffer.byteLength(value)), 0)
}

/** The field before a string of that length. */
export function narLength(sizeBytes: number): Uint8Array {
  const field = Buffer.alloc(LENGTH_BYTES)
  field.writeBigUInt64LE(BigInt(sizeBytes))
  return field
}

/** The zeros behind a string of that length. */
export function narPadding(sizeBytes: number): Uint8Array {
  return ZEROS.subarray(0, padded(sizeBytes) - sizeBytes)
}

const ZEROS = new Uint8Array(8)
