import { DepotError } from '../errors.ts'

/** Everything in a tar file comes in blocks of so many bytes. */
export const BLOCK_BYTES = 512
/** Two empty blocks end an archive. */
export const TRAILER_BYTES = 2 * BLOCK_BYTES

/**
 * What stands before the content of a plain file (POSIX.1-2001 pax, "ustar Interchange Format"). There is one header for a name
 * and a size: owner, mode and time are the same for all, so a reader needs no more than a comparison. A size of 8 GiB or more
 * stands in an extended header before it.
 *
 * @param name ASCII, at most 100 bytes
 */
export function tarHeader(name: string, sizeBytes: number): Uint8Array {
  if (sizeBytes <= OCTAL_SIZE_MAX) return block(name, sizeBytes, '0')
  const record = `size=${sizeBytes}\n`
  // The length of the record counts its own digits: `20 size=…`.
  const content = Buffer.from(`${record.length + 3} ${record}`)
  return Buffer.concat([block('PaxHeader', content.length, 'x'), padded(content), block(name, 0, '0')])
}

/** Zeros behind content of this size. */
export function paddingBytes(sizeBytes: number): number {
  return (BLOCK_BYTES - (sizeBytes % BLOCK_BYTES)) % BLOCK_BYTES
}

/** Bytes of a file in an archive: header, content and padding. */
export function entryBytes(sizeBytes: number): number {
  const headerBytes = sizeBytes <= OCTAL_SIZE_MAX ? BLOCK_BYTES : 3 * BLOCK_BYTES
  return headerBytes + sizeBytes + paddingBytes(sizeBytes)
}

/**
 * The size that a header tells, when it is the very header that `tarHeader` writes for this name; undefined when it is of
 * something else.
 *
 * @throws DepotError `CONTENT_MISMATCH` when it is of this name and written by another program
 */
export function sizeInHeader(header: Uint8Array, name: string): number | undefined {
  const text = Buffer.from(header).toString('latin1')
  const found = text.slice(0, NAME_BYTES).replace(/\0.*$/s, '')
  if (found.replace(/^\.\//, '') !== name) return undefined
  const octal = /^[0-7]{11}$/.exec(text.slice(SIZE_AT, SIZE_AT + 11))?.[0]
  const sizeBytes = octal === undefined ? undefined : Number.parseInt(octal, 8)
  if (sizeBytes !== undefined && Buffer.compare(header, tarHeader(name, sizeBytes)) === 0) return sizeBytes
  throw new DepotError(
    'CONTENT_MISMATCH',
    "this tar file was not written by 'depot bundle create': unpack it into a folder, and name that instead",
  )
}

const NAME_BYTES = 100
const SIZE_AT = 124
const CHECKSUM_AT = 148
const DEVICE_AT = 329
/** Eleven octal digits. */
const OCTAL_SIZE_MAX = 8 ** 11 - 1

function block(name: string, sizeBytes: number, type: '0' | 'x'): Uint8Array {
  const header = Buffer.alloc(BLOCK_BYTES)
  if (header.write(name, 'latin1') !== name.length || name.length > NAME_BYTES)
    throw new TypeError(`${name} does not fit into a header`)
  header.write('000644 \u0000000000 \u0000000000 \0', 100, 'latin1')
  header.write(`${octal(sizeBytes)} ${octal(0)}         ${type}`, SIZE_AT, 'latin1')
  header.write('ustar\u000000', 257, 'latin1')
  header.write('000000 \u0000000000 \0', DEVICE_AT, 'latin1')
  const sum = header.reduce((all, byte) => all + byte, 0)
  header.write(`${sum.toString(8).padStart(6, '0')} \0`, CHECKSUM_AT, 'latin1')
  return header
}

function octal(value: number): string {
  return value.toString(8).padStart(11, '0')
}

function padded(content: Uint8Array): Uint8Array {
  return Buffer.concat([content, Buffer.alloc(paddingBytes(content.length))])
}
