import { crc32, inflateRaw } from 'node:zlib'
import { promisify } from 'node:util'

import type { ByteRange } from '../../src/blob-store.ts'
import { breath } from '../../src/breath.ts'
import { LIMITS } from '../../src/limits.ts'
import { brokenArchive, refuseOutside } from './archive-error.ts'

/** Bytes that can be read from any place: a staged blob. */
export interface ByteSource {
  readonly sizeBytes: number
  read(range: ByteRange): Promise<Uint8Array>
}

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

interface Directory {
  readonly offset: number
  readonly sizeBytes: number
  readonly count: number
}

const END_RECORD = 0x06054b50
const END_RECORD_BYTES = 22
const COMMENT_BYTES_MAX = 0xffff

async function findDirectory(source: ByteSource): Promise<Directory> {
  const tailStart = Math.max(0, source.sizeBytes - END_RECORD_BYTES - COMMENT_BYTES_MAX)
  const tail = await view(source, tailStart, source.sizeBytes)
  for (let at = tail.byteLength - END_RECORD_BYTES; at >= 0; at--) {
    if (tail.getUint32(at, true) !== END_RECORD) continue
    if (at + END_RECORD_BYTES + tail.getUint16(at + 20, true) !== tail.byteLength) continue
    const directory = {
      count: tail.getUint16(at + 10, true),
      sizeBytes: tail.getUint32(at + 12, true),
      offset: tail.getUint32(at + 16, true),
    }
    return endingAt(tailStart + at, (await findZip64(source, tailStart + at)) ?? { ...directory, end: tailStart + at })
  }
  throw brokenArchive('the file is not a whole zip file')
}

const ZIP64_LOCATOR = 0x07064b50
const ZIP64_LOCATOR_BYTES = 20
const ZIP64_RECORD = 0x06064b50
const ZIP64_RECORD_BYTES = 56

/** The Zip64 record stands before its locator, which stands before the end record (APPNOTE 4.3.14, 4.3.15). */
async function findZip64(source: ByteSource, endRecord: number): Promise<(Directory & { end: number }) | undefined> {
  if (endRecord < ZIP64_LOCATOR_BYTES) return undefined
  const locator = await view(source, endRecord - ZIP64_LOCATOR_BYTES, endRecord)
  if (locator.getUint32(0, true) !== ZIP64_LOCATOR) return undefined
  const end = uint64(locator, 8)
  const record = await view(source, end, end + ZIP64_RECORD_BYTES)
  if (record.getUint32(0, true) !== ZIP64_RECORD) throw brokenArchive('the zip file has a broken Zip64 record')
  return { count: uint64(record, 32), sizeBytes: uint64(record, 40), offset: uint64(record, 48), end }
}

function endingAt(endRecord: number, { offset, sizeBytes, count, end }: Directory & { end: number }): Directory {
  if (end > endRecord || offset + sizeBytes !== end) {
    throw brokenArchive('the directory of the zip file is not where its end record says')
  }
  return { offset, sizeBytes, count }
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

async function view(source: ByteSource, start: number, end: number): Promise<DataView> {
  if (!(start >= 0 && end >= start && end <= source.sizeBytes))
    throw brokenArchive('the zip file points outside of itself')
  const bytes = await source.read({ start, end })
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}

function slice(whole: DataView, start: number, end: number): DataView {
  return new DataView(whole.buffer, whole.byteOffset + start, end - start)
}

const UTF8 = new TextDecoder()

function text(bytes: DataView): string {
  return UTF8.decode(bytes)
}

/** Above 2^53 nothing in a file can lie: such a value then fails the bounds check. */
function uint64(bytes: DataView, at: number): number {
  return Number(bytes.getBigUint64(at, true))
}
