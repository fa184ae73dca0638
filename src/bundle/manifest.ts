import { TextDecoder } from 'node:util'

import { z } from 'zod'

import { parseSavedPath } from '../client/saved-files.ts'
import { DepotError } from '../errors.ts'
import { LIMITS } from '../limits.ts'

/** A file of the folder that a bundle was made of. */
export interface BundledFile {
  /** Below the folder, its first name being that of an ecosystem: `npm/express/metadata.json`. */
  readonly path: string
  /** Of the file, in hex. */
  readonly sha256: string
  readonly sizeBytes: number
  /** False when the other side has it already, and the bundle does not bring it along. */
  readonly carried: boolean
  /** sha256 in hex of what is inside, when the file is a compressed Nix archive: its NarHash. */
  readonly content?: string
}

/** What a bundle says of itself. It lists every file of the folder, also those that it does not carry. */
export interface Manifest {
  /** When it was made: RFC 3339 in UTC, to the second. */
  readonly created: string
  /** sha256 of the manifest of the bundle that this one goes on from, in hex. */
  readonly base?: string
  /** Sorted by path in the order of their UTF-8 bytes, each path once. */
  readonly files: readonly BundledFile[]
}

/** The format's name and version, which stand in every manifest. */
export const BUNDLE_FORMAT = 'depot-bundle/1'

/**
 * A manifest as it is written: JSON of which there is exactly one text, with a line for each file, so that it is read line by
 * line however long it is. Keys in this order, nothing but what is needed, a line feed behind every line.
 */
export function* printManifest({ created, base, files }: Manifest): Generator<string> {
  yield `${printHead({ created, base })}\n`
  let before: BundledFile | undefined
  for (const file of files) {
    if (before !== undefined) yield `${printFile(before)},\n`
    before = file
  }
  if (before !== undefined) yield `${printFile(before)}\n`
  yield ']}\n'
}

/** Reads a manifest piece by piece. */
export interface ManifestReader {
  /** @throws DepotError `CONTENT_MISMATCH`, `TOO_LARGE` */
  push(bytes: Uint8Array): void
  /** All of it was pushed. @throws DepotError `CONTENT_MISMATCH` when something is missing, or two files contradict each other */
  end(): Manifest
}

/** A reader of what `printManifest` writes, to the byte: whatever could be read in two ways is refused. Memory grows with the files alone. */
export function createManifestReader(): ManifestReader {
  const files: BundledFile[] = []
  const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })
  let head: z.infer<typeof HEAD> | undefined
  let rest: Uint8Array = new Uint8Array()
  /** What the line before allows to come: a first file or the end, a further file, or the end. */
  let next: 'head' | 'any' | 'file' | 'end' | 'nothing' = 'head'

  function readLine(line: string): void {
    if (next === 'head') {
      head = parseHead(line)
      next = 'any'
    } else if (line === ']}' && (next === 'any' || next === 'end')) next = 'nothing'
    else if (next === 'any' || next === 'file') {
      const more = line.endsWith('},')
      files.push(parseFile(more ? line.slice(0, -1) : line))
      if (files.length > LIMITS.bundleFilesMax)
        throw new DepotError('TOO_LARGE', `the bundle has more than ${LIMITS.bundleFilesMax} files`)
      next = more ? 'file' : 'end'
    } else throw notAManifest('something follows its end')
  }

  return {
    push(bytes) {
      let from = 0
      for (let at = bytes.indexOf(LF); at !== -1; at = bytes.indexOf(LF, from)) {
        const piece = bytes.subarray(from, at)
        from = at + 1
        readLine(decoded(decoder, rest.length === 0 ? piece : Buffer.concat([rest, piece])))
        rest = rest.subarray(0, 0)
      }
      rest = Buffer.concat([rest, bytes.subarray(from)])
      if (rest.length > LINE_BYTES_MAX) throw notAManifest('a line of it is longer than any file has')
    },
    end() {
      if (head === undefined || next !== 'nothing' || rest.length > 0) throw notAManifest('it ends early')
      checkFiles(files)
      const { created, base } = head
      return { created, ...(base === undefined ? {} : { base }), files }
    },
  }
}

const LF = 0x0a
/** A path of 1024 characters takes up to three bytes for each, and six when they are escaped. */
const LINE_BYTES_MAX = 8 * 1024

const SHA256 = z.string().regex(/^[0-9a-f]{64}$/)
const HEAD = z.strictObject({
  created: z.string().regex(/^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}Z$/),
  base: SHA256.optional(),
})
const FILE = z.strictObject({
  path: z.string(),
  sha256: SHA256,
  sizeBytes: z.int().min(0).max(LIMITS.blobBytesMax),
  carried: z.literal(false).optional(),
  content: SHA256.optional(),
})
const HEAD_START = `{"format":${JSON.stringify(BUNDLE_FORMAT)},`
const HEAD_END = ',"files":['

function printHead({ created, base }: Pick<Manifest, 'created'> & { readonly base?: string | undefined }): string {
  return `${HEAD_START}${JSON.stringify({ created, base }).slice(1, -1)}${HEAD_END}`
}

function printFile({ path, sha256, sizeBytes, carried, content }: BundledFile): string {
  return JSON.stringify({ path, sha256, sizeBytes, ...(carried ? {} : { carried }), content })
}

function parseHead(line: string): z.infer<typeof HEAD> {
  if (!line.startsWith(HEAD_START) || !line.endsWith(HEAD_END)) {
    const other = /^\{"format":"(?<format>depot-bundle\/\d{1,9})"/.exec(line)?.groups?.['format']
    throw other === undefined || other === BUNDLE_FORMAT
      ? notAManifest('it does not begin as one')
      : new DepotError('UNSUPPORTED_CODEC', `the bundle has the format ${other}; this depot reads ${BUNDLE_FORMAT}`)
  }
  const parsed = HEAD.safeParse(json(`{${line.slice(HEAD_START.length, -HEAD_END.length)}}`))
  if (!parsed.success || printHead(parsed.data) !== line) throw notAManifest('it does not begin as one')
  return parsed.data
}

function parseFile(line: string): BundledFile {
  const parsed = FILE.safeParse(json(line))
  if (!parsed.success) throw notAManifest(`it has a line that names no file: ${JSON.stringify(line.slice(0, 100))}`)
  const { path, sha256, sizeBytes, carried = true, content } = parsed.data
  const file = { path, sha256, sizeBytes, carried, ...(content === undefined ? {} : { content }) }
  if (printFile(file) !== line) throw notAManifest(`a line of it could be read in two ways: ${line.slice(0, 100)}`)
  return file
}

function json(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

function decoded(decoder: TextDecoder, bytes: Uint8Array): string {
  if (bytes.length > LINE_BYTES_MAX) throw notAManifest('a line of it is longer than any file has')
  try {
    return decoder.decode(bytes)
  } catch {
    throw notAManifest('it is not UTF-8')
  }
}

/** @throws DepotError `CONTENT_MISMATCH`, `INVALID_NAME` */
function checkFiles(files: readonly BundledFile[]): void {
  const sizes = new Map<string, number>()
  const folders = new Set<string>()
  let before = Buffer.alloc(0)
  let sum = 0
  for (const { path, sha256, sizeBytes } of files) {
    parseSavedPath(path)
    if (!path.includes('/')) throw notAManifest(`${path} is in no folder of an ecosystem`)
    const bytes = Buffer.from(path)
    if (Buffer.compare(before, bytes) >= 0) throw notAManifest(`${path} stands twice, or not in its place`)
    before = bytes
    if ((sizes.get(sha256) ?? sizeBytes) !== sizeBytes) throw notAManifest(`${path} has a size that another denies`)
    sizes.set(sha256, sizeBytes)
    sum += sizeBytes
    if (!Number.isSafeInteger(sum)) throw notAManifest('its files are larger than all disks')
    for (let at = path.lastIndexOf('/'); at !== -1; at = path.lastIndexOf('/', at - 1)) {
      const folder = path.slice(0, at)
      if (folders.has(folder)) break
      folders.add(folder)
    }
  }
  const both = files.find(({ path }) => folders.has(path))
  if (both !== undefined) throw notAManifest(`${both.path} is a file and a folder`)
}

function notAManifest(why: string): DepotError {
  return new DepotError('CONTENT_MISMATCH', `not the manifest of a bundle: ${why}`)
}
