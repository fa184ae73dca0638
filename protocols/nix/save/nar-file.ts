import type { Codec } from '../../../src/codec/decode.ts'
import type { PathFacts } from '../closure/path-source.ts'
import { NAR_SUFFIX } from '../nar-name.ts'
import { printNarinfo } from '../narinfo.ts'
import { nix32OfHex } from '../nix32.ts'
import { hashOf, parseBaseName } from '../store-path.ts'

/** The file of an archive in a folder. */
export interface NarFile {
  /** Below the folder; also the `URL` of its narinfo. */
  readonly path: string
  readonly codec: Codec
  /** sha256 of the file as it lies there, as hex. */
  readonly fileHash: string
  readonly fileSizeBytes: number
}

/** How a narinfo calls a codec, when it is one that every Nix reads. */
export function codecNamed(compression: string): Codec | undefined {
  return CODECS.find((codec) => codec === compression)
}

const CODECS = Object.keys(NAR_SUFFIX) as Codec[]

/** Where an archive is saved: always under its own hash, whatever the cache that it comes from calls it. */
export function narFilePath(narHash: string, codec: Codec): string {
  const suffix = NAR_SUFFIX[codec]
  return `nar/${nix32OfHex(narHash)}.nar${suffix === '' ? '' : `.${suffix}`}`
}

/** Whether a narinfo of a folder may name this place. Tools that fill a folder name archives by the hash of the file as well. */
export function isArchivePath(url: string): boolean {
  return ARCHIVE_PATH.test(url)
}

const ARCHIVE_PATH = /^nar\/[0-9a-z][0-9A-Za-z.]*$/

/** Where the narinfo of a path is saved. */
export function narinfoPath(baseName: string): string {
  return `${hashOf(baseName)}.narinfo`
}

/** The narinfo of a path whose archive lies in the folder. */
export function savedNarinfo(facts: PathFacts, file: NarFile): string {
  const storePath = parseBaseName(facts.baseName)
  if (storePath === undefined) throw new TypeError(`not a base name: ${JSON.stringify(facts.baseName)}`)
  const { path: url, codec: compression, fileHash, fileSizeBytes } = file
  const { deriver, ca, ...rest } = facts
  return printNarinfo({
    ...rest,
    storePath,
    url,
    compression,
    fileHash,
    fileSizeBytes,
    ...(deriver === undefined ? {} : { deriver }),
    ...(ca === undefined ? {} : { ca }),
  })
}
