import { crc32, inflateRaw } from 'node:zlib'
import { promisify } from 'node:util'

import { breath } from '../../src/breath.ts'
import { LIMITS } from '../../src/limits.ts'
import { brokenArchive, refuseOutside } from './archive-error.ts'
import { type ByteSource, uint64, view } from './byte-source.ts'
import { findDirectory } from './zip-end.ts'

/** A file in a zip archive, as its central directory tells it. */
export interface ZipEntry {
  readonly name: string
  readonly method: number
  readonly encrypted: boolean
  readonly crc32: number
  readonly compressedBytes: number
  readonly sizeBytes: number
  readonly headerOffset: number
}

/**
 * The central directory of a zip archive (APPNOTE 4.3.12), Zip64 included. Stricter than the format: the directory must end
 * where its end record says and that record must end the file, so that no two readers can see two different archives.
 *
 * @throws DepotError `CONTENT_MISMATCH` (400) for anything that is not such an archive, or has a name that leads outside of it
 */
export async function readZipDirectory(source: ByteSource): Promise<readonly ZipEntry[]> {
  const { offset, sizeBytes, count } = await findDirectory(source)
  if (count > LIMITS.archiveEntriesMax)
    throw brokenArchive(`the zip file has more than ${LIMITS.archiveEntriesMax} entries`)
  if (sizeBytes > LIMITS.zipDirectoryBytesMax) throw brokenArchive('the directory of the zip file is too large')
  const directory = await view(source, offset, offset + sizeBytes)
  const entries: ZipEntry[] = []
  let position = 0
  while (position < sizeBytes) {
    const { entry, end } = readEntry(directory, position)
    refuseOutside(entry.name)
    entries.push(entry)
    position = end
    await breath()
  }
  if (entries.length !== count) throw brokenArchive('the zip file does not have the entries that it announces')
  return entries
}

/** The first two entries whose names are wanted: one more than any caller can use. */
export async function entriesNamed(
  entries: readonly ZipEntry[],
  isWanted: (name: string) => boolean,
): Promise<readonly ZipEntry[]> {
  const found: ZipEntry[] = []
  for (const entry of entries) {
    if (isWanted(entry.name) && found.push(entry) === 2) break
    await breath()
  }
  return found
}

const inflate = promisify(inflateRaw)

/** The content of one entry, at most `limitBytes`, checked against its CRC. @throws DepotError `CONTENT_MISMATCH` (400) */
export async function readZipEntry(source: ByteSource, entry: ZipEntry, limitBytes: number): Promise<Uint8Array> {
  if (entry.encrypted) throw brokenArchive(`${entry.name} is encrypted`)
  if (entry.sizeBytes > limitBytes || entry.compressedBytes > limitBytes) {
    throw brokenArchive(`${entry.name} has more than ${limitBytes} bytes`)
  }
  const start = await dataOffset(source, entry)
  const { buffer, byteOffset, byteLength } = await view(source, start, start + entry.compressedBytes)
  const content = await decode(entry, new Uint8Array(buffer, byteOffset, byteLength))
  if (content.byteLength !== entry.sizeBytes || crc32(content) !== entry.crc32) {
    throw brokenArchive(`${entry.name} does not have the size and CRC that the zip file gives`)
  }
  return content
}

const STORED = 0
const DEFLATED = 8

async function decode(entry: ZipEntry, bytes: Uint8Array): Promise<Uint8Array> {
  if (entry.method === STORED) return bytes
  if (entry.method !== DEFLATED) throw brokenArchive(`${entry.name} has a compression that wheels do not use`)
  try {
    // One byte more than announced is already a lie, and a bomb stops there.
    return await inflate(bytes, { maxOutputLength: Math.max(entry.sizeBytes, 1) })
  } catch (cause) {
    throw brokenArchive(`${entry.name} cannot be decompressed`, cause)
  }
}

const LOCAL_HEADER = 0x04034b50
const LOCAL_HEADER_BYTES = 30

/** Where the entry's data begins: its local header has lengths of its own, and must bear the same name. */
async function dataOffset(source: ByteSource, entry: ZipEntry): Promise<number> {
  const { headerOffset } = entry
  const header = await view(source, headerOffset, headerOffset + LOCAL_HEADER_BYTES)
  if (header.getUint32(0, true) !== LOCAL_HEADER) throw brokenArchive(`${entry.name} is not where the directory says`)
  const nameEnd = headerOffset + LOCAL_HEADER_BYTES + header.getUint16(26, true)
  const name = text(await view(source, headerOffset + LOCAL_HEADER_BYTES, nameEnd))
  if (name !== entry.name) throw brokenArchive(`${entry.name} has another name in its own header`)
  return nameEnd + header.getUint16(28, true)
}

const ENTRY = 0x02014b50
const ENTRY_BYTES = 46

function readEntry(directory: DataView, at: number): { entry: ZipEntry; end: number } {
  const whole = at + ENTRY_BYTES <= directory.byteLength && directory.getUint32(at, true) === ENTRY
  if (!whole) throw brokenArchive('the directory of the zip file is broken')
  const nameEnd = at + ENTRY_BYTES + directory.getUint16(at + 28, true)
  const extraEnd = nameEnd + directory.getUint16(at + 30, true)
  const end = extraEnd + directory.getUint16(at + 32, true)
  if (end > directory.byteLength) throw brokenArchive('the directory of the zip file is broken')
  const [sizeBytes, compressedBytes, headerOffset] = widen(
    [directory.getUint32(at + 24, true), directory.getUint32(at + 20, true), directory.getUint32(at + 42, true)],
    slice(directory, nameEnd, extraEnd),
  )
  const entry = {
    name: text(slice(directory, at + ENTRY_BYTES, nameEnd)),
    method: directory.getUint16(at + 10, true),
    encrypted: (directory.getUint16(at + 8, true) & 1) === 1,
    crc32: directory.getUint32(at + 16, true),
    sizeBytes,
    compressedBytes,
    headerOffset,
  }
  return { entry, end }
}

const UNSET = 0xffffffff
const ZIP64_EXTRA = 1

/** Fields that are all ones stand, in the same order, in the Zip64 extra field (APPNOTE 4.5.3). */
function widen(fields: [number, number, number], extra: DataView): [number, number, number] {
  if (!fields.includes(UNSET)) return fields
  for (let at = 0; at + 4 <= extra.byteLength; at += 4 + extra.getUint16(at + 2, true)) {
    if (extra.getUint16(at, true) !== ZIP64_EXTRA) continue
    const end = Math.min(at + 4 + extra.getUint16(at + 2, true), extra.byteLength)
    let next = at + 4
    const take = (field: number): number => {
      if (field !== UNSET) return field
      if (next + 8 > end) throw brokenArchive('the zip file has a broken Zip64 field')
      next += 8
      return uint64(extra, next - 8)
    }
    return [take(fields[0]), take(fields[1]), take(fields[2])]
  }
  throw brokenArchive('the zip file lacks a Zip64 field')
}

function slice(whole: DataView, start: number, end: number): DataView {
  return new DataView(whole.buffer, whole.byteOffset + start, end - start)
}

const UTF8 = new TextDecoder()

function text(bytes: DataView): string {
  return UTF8.decode(bytes)
}
