import { DepotError } from '../../src/errors.ts'
import { LIMITS } from '../../src/limits.ts'
import type { Source } from '../../src/source.ts'

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
  await reader.expect('nix-archive-1')
  json.add('{"root":')
  for (;;) {
    if (await listNode(reader, json)) separators.push('')
    else if (separators.length > 0) await reader.expect(')')
    while (separators.length > 0 && (await reader.text()) === ')') {
      json.add('}}')
      separators.pop()
      if (separators.length > 0) await reader.expect(')')
    }
    const separator = separators.pop()
    if (separator === undefined) break
    separators.push(',')
    await reader.expect('(', 'name')
    json.add(`${separator}${JSON.stringify(await reader.text())}:`)
    await reader.expect('node')
  }
  json.add(',"version":1}')
  return json.text()
}

/** A file or a link whole, or the beginning of a directory: then true. */
async function listNode(reader: NarReader, json: BoundedText): Promise<boolean> {
  await reader.expect('(', 'type')
  const type = await reader.text()
  if (type === 'directory') {
    json.add('{"type":"directory","entries":{')
    return true
  }
  if (type === 'symlink') {
    await reader.expect('target')
    json.add(`{"type":"symlink","target":${JSON.stringify(await reader.text())}}`)
  } else {
    const executable = (await reader.text()) === 'executable'
    if (executable) await reader.expect('', 'contents')
    const { sizeBytes, offset } = await reader.skipContent()
    const marker = executable ? '"executable":true,' : ''
    json.add(`{"type":"regular",${marker}"size":${sizeBytes},"narOffset":${offset}}`)
  }
  await reader.expect(')')
  return false
}

interface BoundedText {
  add(part: string): void
  text(): string
}

function boundedText(limitBytes: number): BoundedText {
  const parts: string[] = []
  let sizeBytes = 0
  return {
    add(part) {
      sizeBytes += Buffer.byteLength(part)
      if (sizeBytes > limitBytes)
        throw new DepotError('TOO_LARGE', `the archive has more files than a listing of ${limitBytes} bytes can name`)
      parts.push(part)
    },
    text: () => parts.join(''),
  }
}

/** Reads the strings of an archive in turn. A string that is not there is a bug, or a disk that changed it: a plain Error. */
interface NarReader {
  /** A string as text; bytes that are not UTF-8, which JSON cannot hold, become U+FFFD. */
  text(): Promise<string>
  expect(...strings: readonly string[]): Promise<void>
  /** Pass over a string. Where its bytes begin, and how many there are. */
  skipContent(): Promise<{ readonly sizeBytes: number; readonly offset: number }>
}

const LENGTH_BYTES = 8

function narReader(archive: Source): NarReader {
  let pieces = piecesFrom(archive, 0)
  /** What was read and not yet used. */
  let ahead: Buffer = Buffer.alloc(0)
  /** Place of its first byte. */
  let position = 0

  async function more(): Promise<Buffer> {
    const next = await pieces.next()
    if (next.done === true) throw changed()
    return Buffer.from(next.value.buffer, next.value.byteOffset, next.value.byteLength)
  }

  async function take(count: number): Promise<Buffer> {
    while (ahead.byteLength < count) {
      // A piece is good until the next one only.
      const rest = Buffer.from(ahead)
      ahead = Buffer.concat([rest, await more()])
    }
    const taken = ahead.subarray(0, count)
    ahead = ahead.subarray(count)
    position += count
    return taken
  }

  async function skip(count: number): Promise<void> {
    const end = position + count
    if (count - ahead.byteLength >= LIMITS.narSkipBytesMin) {
      await pieces.return(undefined)
      pieces = piecesFrom(archive, end)
      ahead = Buffer.alloc(0)
    } else {
      let left = count
      for (; left > ahead.byteLength; ahead = await more()) left -= ahead.byteLength
      ahead = ahead.subarray(left)
    }
    position = end
  }

  const length = async (): Promise<number> => Number((await take(LENGTH_BYTES)).readBigUInt64LE())

  async function text(): Promise<string> {
    const sizeBytes = await length()
    if (sizeBytes > LIMITS.narTargetBytesMax) throw changed()
    return (await take(padded(sizeBytes))).toString('utf8', 0, sizeBytes)
  }

  return {
    text,
    async expect(...strings) {
      for (const string of strings) if ((await text()) !== string) throw changed()
    },
    async skipContent() {
      const sizeBytes = await length()
      const offset = position
      await skip(padded(sizeBytes))
      return { sizeBytes, offset }
    },
  }
}

async function* piecesFrom(archive: Source, start: number): AsyncGenerator<Uint8Array> {
  yield* archive.chunks({ start, end: archive.sizeBytes })
}

function padded(length: number): number {
  return Math.ceil(length / 8) * 8
}

function changed(): Error {
  return new Error('an archive is not what it was when it was stored')
}
