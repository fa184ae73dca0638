import type { DepotError } from '../../src/errors.ts'
import { brokenArchive } from './archive-error.ts'
import { type ByteSource, uint64, view } from './byte-source.ts'

/** Where the entries of a zip archive are told. */
export interface Directory {
  readonly offset: number
  readonly sizeBytes: number
  readonly count: number
}

/** With a Zip64 record the directory ends before that. */
interface Zip64Directory extends Directory {
  readonly end: number
}

const END_RECORD = 0x06054b50
const END_RECORD_BYTES = 22
const COMMENT_BYTES_MAX = 0xffff

/** @throws DepotError `CONTENT_MISMATCH` (400) for no zip archive, and for one whose end other readers may find elsewhere */
export async function findDirectory(source: ByteSource): Promise<Directory> {
  const tailStart = Math.max(0, source.sizeBytes - END_RECORD_BYTES - COMMENT_BYTES_MAX)
  const tail = await view(source, tailStart, source.sizeBytes)
  for (let at = tail.byteLength - END_RECORD_BYTES; at >= 0; at--) {
    if (tail.getUint32(at, true) !== END_RECORD) continue
    // One that stands in a comment is the end for other readers.
    if (at + END_RECORD_BYTES + tail.getUint16(at + 20, true) !== tail.byteLength) break
    const directory = {
      count: tail.getUint16(at + 10, true),
      sizeBytes: tail.getUint32(at + 12, true),
      offset: tail.getUint32(at + 16, true),
    }
    return endingAt(tailStart + at, (await findZip64(source, tailStart + at, directory)) ?? directory)
  }
  throw brokenArchive('the file is not a whole zip file')
}

const ZIP64_LOCATOR = 0x07064b50
const ZIP64_LOCATOR_BYTES = 20
const ZIP64_RECORD = 0x06064b50
const ZIP64_RECORD_BYTES = 56

/**
 * The Zip64 record stands right before its locator, which stands right before the end record (APPNOTE 4.3.14, 4.3.15). Some readers look
 * at it always and others only when the end record has no room, so both must say the same.
 */
async function findZip64(
  source: ByteSource,
  endRecord: number,
  inEndRecord: Directory,
): Promise<Zip64Directory | undefined> {
  const end = endRecord - ZIP64_LOCATOR_BYTES - ZIP64_RECORD_BYTES
  if (endRecord < ZIP64_LOCATOR_BYTES) return undefined
  const locator = await view(source, endRecord - ZIP64_LOCATOR_BYTES, endRecord)
  if (locator.getUint32(0, true) !== ZIP64_LOCATOR) return undefined
  if (uint64(locator, 8) !== end) throw brokenZip64()
  const record = await view(source, end, end + ZIP64_RECORD_BYTES)
  if (record.getUint32(0, true) !== ZIP64_RECORD) throw brokenZip64()
  const directory = { count: uint64(record, 32), sizeBytes: uint64(record, 40), offset: uint64(record, 48) }
  const agree =
    [directory.count, UNSET_COUNT].includes(inEndRecord.count) &&
    [directory.sizeBytes, UNSET].includes(inEndRecord.sizeBytes) &&
    [directory.offset, UNSET].includes(inEndRecord.offset)
  if (!agree) throw brokenZip64()
  return { ...directory, end }
}

function brokenZip64(): DepotError {
  return brokenArchive('the zip file has a broken Zip64 record')
}

function endingAt(endRecord: number, directory: Directory | Zip64Directory): Directory {
  const { offset, sizeBytes, count } = directory
  if (offset + sizeBytes !== ('end' in directory ? directory.end : endRecord)) {
    throw brokenArchive('the directory of the zip file is not where its end record says')
  }
  return { offset, sizeBytes, count }
}

const UNSET = 0xffffffff
const UNSET_COUNT = 0xffff
