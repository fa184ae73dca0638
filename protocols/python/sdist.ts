import { Readable, Transform } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { createGunzip } from 'node:zlib'
import type { Extract } from 'tar-stream'

import { DepotError } from '../../src/errors.ts'
import { LIMITS } from '../../src/limits.ts'
import { readTar } from '../../src/tar.ts'
import { brokenArchive, refuseOutside } from './archive-error.ts'
import type { ByteSource } from './byte-source.ts'
import type { Distribution } from './filename.ts'
import { normalizeProjectName } from './project-name.ts'
import { compareVersions, parseVersion } from './version.ts'
import { entriesNamed, readZipDirectory, readZipEntry } from './zip.ts'

/** The PKG-INFO of an sdist (old ones need not have any). @throws DepotError as `readSdistFile` */
export function readSdistMetadata(source: ByteSource, sdist: Distribution): Promise<Uint8Array | undefined> {
  return readSdistFile(source, sdist, 'PKG-INFO')
}

/**
 * A file of an sdist's own top folder, or undefined when it has none of this name. The archive is read to its end, as a stream, and
 * nothing of it is ever unpacked; links and devices are passed over.
 *
 * @throws DepotError `CONTENT_MISMATCH` (400) when the archive does not open, is cut, or has two of them
 */
export function readSdistFile(
  source: ByteSource,
  sdist: Distribution,
  wanted: 'PKG-INFO' | 'pyproject.toml',
): Promise<Uint8Array | undefined> {
  return sdist.archive === 'zip' ? readZipFile(source, sdist, wanted) : readTarFile(source, sdist, wanted)
}

async function readZipFile(source: ByteSource, sdist: Distribution, wanted: string): Promise<Uint8Array | undefined> {
  const entries = await readZipDirectory(source)
  const [entry, second] = await entriesNamed(entries, (name) => isOwn(name, sdist, wanted))
  if (second !== undefined) throw twice(wanted)
  return entry === undefined ? undefined : readZipEntry(source, entry, LIMITS.packageMetadataBytesMax)
}

async function readTarFile(source: ByteSource, sdist: Distribution, wanted: string): Promise<Uint8Array | undefined> {
  const tar = readTar()
  const unpacking = pipeline(Readable.from(pieces(source)), createGunzip(), bounded(), tar)
  // What broke the pipeline also ends the loop below; awaiting it there tells which error came first.
  unpacking.catch(() => {})
  try {
    const found = await findIn(tar, sdist, wanted)
    await unpacking
    return found
  } catch (error) {
    await unpacking.catch((cause: unknown) => {
      throw error instanceof DepotError ? error : notAnArchive(cause)
    })
    throw error instanceof DepotError ? error : notAnArchive(error)
  }
}

async function findIn(tar: Extract, sdist: Distribution, wanted: string): Promise<Uint8Array | undefined> {
  let found: Uint8Array | undefined
  let entries = 0
  for await (const entry of tar) {
    if (++entries > LIMITS.archiveEntriesMax) {
      throw brokenArchive(`the sdist has more than ${LIMITS.archiveEntriesMax} entries`)
    }
    refuseOutside(entry.header.name)
    const isFile = entry.header.type === 'file' || entry.header.type === 'contiguous-file'
    if (!isFile || !isOwn(entry.header.name, sdist, wanted)) {
      entry.resume()
      continue
    }
    if (found !== undefined) throw twice(wanted)
    found = await collect(entry as AsyncIterable<Uint8Array>, wanted)
  }
  return found
}

async function collect(entry: AsyncIterable<Uint8Array>, name: string): Promise<Uint8Array> {
  const parts: Uint8Array[] = []
  let sizeBytes = 0
  for await (const part of entry) {
    sizeBytes += part.byteLength
    if (sizeBytes > LIMITS.packageMetadataBytesMax) {
      throw brokenArchive(`${name} has more than ${LIMITS.packageMetadataBytesMax} bytes`)
    }
    parts.push(part)
  }
  return Buffer.concat(parts)
}

/** `<name>-<version>/<file>`, however name and version are spelled. */
function isOwn(path: string, sdist: Distribution, wanted: string): boolean {
  const { folder, file } = /^(?:\.\/)?(?<folder>[^/]+)\/(?<file>[^/]+)$/.exec(path)?.groups ?? {}
  if (folder === undefined || file !== wanted) return false
  const dash = folder.lastIndexOf('-')
  const version = parseVersion(folder.slice(dash + 1))
  return (
    dash > 0 &&
    version !== undefined &&
    normalizeProjectName(folder.slice(0, dash)) === sdist.project &&
    compareVersions(version, sdist.version) === 0
  )
}

/** Passes on what gunzip makes, and stops a bomb. */
function bounded(): Transform {
  let sizeBytes = 0
  return new Transform({
    transform(piece: Uint8Array, _encoding, done) {
      sizeBytes += piece.byteLength
      if (sizeBytes <= LIMITS.sdistUnpackedBytesMax) done(null, piece)
      else done(brokenArchive(`the sdist unpacks to more than ${LIMITS.sdistUnpackedBytesMax} bytes`))
    },
  })
}

async function* pieces(source: ByteSource): AsyncGenerator<Uint8Array> {
  for (let start = 0; start < source.sizeBytes; start += LIMITS.readBufferBytes) {
    yield await source.read({ start, end: Math.min(start + LIMITS.readBufferBytes, source.sizeBytes) })
  }
}

function notAnArchive(cause: unknown): DepotError {
  return cause instanceof DepotError
    ? cause
    : brokenArchive('the sdist is not a whole gzip-compressed tar archive', cause)
}

function twice(name: string): DepotError {
  return brokenArchive(`the sdist has more than one ${name} in its top folder`)
}
