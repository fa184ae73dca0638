import { LIMITS } from '../../src/limits.ts'
import type { Source } from '../../src/source.ts'
import { boundedText, LISTING, type BoundedText } from './listing-json.ts'
import { LENGTH_BYTES, NAR_MAGIC, padded } from './nar-format.ts'

/**
 * What lies in an archive, as the JSON that Nix calls a listing (nix: libstore/nar-accessor.cc, listNar): names, types, sizes, and where
 * in the archive each file's content begins. Contents are passed over, large ones without being decoded.
 *
 * @param archive an archive that was checked when it came in
 * @throws DepotError `TOO_LARGE` above `LIMITS.narListingBytesMax`
 */
export async function listNar(archive: Source): Promise<string> {
  const reader = narReader(archive)
  const json = boundedText(LIMITS.narListingBytesMax)
  /** One for each open directory: what stands before its next entry. No recursion, so that depth costs no stack. */
  const separators: string[] = []
  await reader.fill()
  reader.expect(NAR_MAGIC)
  json.add(LISTING.begin)
  for (;;) {
    if (reader.low) await reader.fill()
    if (await listNode(reader, json)) separators.push('')
    else if (separators.length > 0) reader.expect(')')
    if (reader.low) await reader.fill()
    while (separators.length > 0 && reader.text() === ')') {
      json.add(LISTING.directoryEnd)
      separators.pop()
      if (separators.length > 0) reader.expect(')')
      if (reader.low) await reader.fill()
    }
    const separator = separators.pop()
    if (separator === undefined) break
    separators.push(',')
    reader.expect('(', 'name')
    json.add(LISTING.entry(separator, reader.text()))
    reader.expect('node')
  }
  json.add(LISTING.end)
  return json.text()
}

/** A file or a link whole, or the beginning of a directory: then true. */
async function listNode(reader: NarReader, json: BoundedText): Promise<boolean> {
  reader.expect('(', 'type')
  const type = reader.text()
  if (type === 'directory') {
    json.add(LISTING.directory)
    return true
  }
  if (type === 'symlink') {
    reader.expect('target')
    json.add(LISTING.link(reader.text()))
  } else {
    const executable = reader.text() === 'executable'
    if (executable) reader.expect('', 'contents')
    const { sizeBytes, offset } = reader.content()
    json.add(LISTING.file({ executable, sizeBytes, offset }))
    const skipped = reader.skip(sizeBytes)
    if (skipped !== undefined) await skipped
  }
  reader.expect(')')
  return false
}

/**
 * Reads the strings of an archive in turn, from what `fill` brought: a promise for each of them would take most of the time. A string
 * that is not there is a bug, or a disk that changed it: a plain Error.
 */
interface NarReader {
  /** Less is there than one entry without its content may have. */
  readonly low: boolean
  fill(): Promise<void>
  /** A string as text; bytes that are not UTF-8, which JSON cannot hold, become U+FFFD. */
  text(): string
  expect(...strings: readonly string[]): void
  /** Where the bytes of the next string begin, and how many there are; they come next. */
  content(): { readonly sizeBytes: number; readonly offset: number }
  /** Pass over that many bytes and their padding. */
  skip(sizeBytes: number): Promise<void> | undefined
}

/** A name and a target of the greatest length, and all the tags around them. */
const ENTRY_BYTES_MAX = 8192

function narReader(archive: Source): NarReader {
  let pieces = piecesFrom(archive, 0)
  /** What was read, and how much of it was used. */
  let bytes: Buffer = Buffer.alloc(0)
  let used = 0
  /** Place of its first byte. */
  let start = 0

  async function next(): Promise<boolean> {
    const { value, done } = await pieces.next()
    if (done === true) return false
    // A piece is good until the next one only.
    const rest = bytes.subarray(used)
    start += used
    bytes = rest.byteLength === 0 ? Buffer.from(value) : Buffer.concat([rest, value])
    used = 0
    return true
  }

  async function fill(): Promise<void> {
    while (bytes.byteLength - used < ENTRY_BYTES_MAX && (await next())) continue
  }

  async function skipAhead(end: number): Promise<void> {
    if (end - start - bytes.byteLength >= LIMITS.narSkipBytesMin) {
      await pieces.return(undefined)
      pieces = piecesFrom(archive, end)
      bytes = Buffer.alloc(0)
      used = 0
      start = end
    }
    while (start + bytes.byteLength < end) {
      used = bytes.byteLength
      if (!(await next())) throw changed()
    }
    used = end - start
    await fill()
  }

  function length(): number {
    if (bytes.byteLength - used < LENGTH_BYTES) throw changed()
    used += LENGTH_BYTES
    return bytes.readUInt32LE(used - LENGTH_BYTES) + bytes.readUInt32LE(used - LENGTH_BYTES / 2) * 2 ** 32
  }

  function text(): string {
    const sizeBytes = length()
    const from = used
    used += padded(sizeBytes)
    if (used > bytes.byteLength) throw changed()
    return bytes.toString('utf8', from, from + sizeBytes)
  }

  return {
    get low() {
      return bytes.byteLength - used < ENTRY_BYTES_MAX
    },
    fill,
    text,
    expect(...strings) {
      for (const string of strings) if (text() !== string) throw changed()
    },
    content() {
      const sizeBytes = length()
      return { sizeBytes, offset: start + used }
    },
    skip(sizeBytes) {
      const to = used + padded(sizeBytes)
      if (to + ENTRY_BYTES_MAX > bytes.byteLength) return skipAhead(start + to)
      used = to
      return undefined
    },
  }
}

async function* piecesFrom(archive: Source, start: number): AsyncGenerator<Uint8Array> {
  yield* archive.chunks({ start, end: archive.sizeBytes })
}

function changed(): Error {
  return new Error('an archive is not what it was when it was stored')
}
