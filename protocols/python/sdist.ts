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

/**
 * The PKG-INFO of an sdist's own top folder, or undefined when it has none (old ones need not). The archive is read to its end,
 * as a stream, and nothing of it is ever unpacked; links and devices are passed over.
 *
 * @throws DepotError `CONTENT_MISMATCH` (400) when the archive does not open, is cut, or has two of them
 */
export function readSdistMetadata(source: ByteSource, sdist: Distribution): Promise<Uint8Array | undefined> {
  return sdist.archive === 'zip' ? readZipInfo(source, sdist) : readTarInfo(source, sdist)
}

async function readZipInfo(source: ByteSource, sdist: Distribution): Promise<Uint8Array | undefined> {
  const entries = await readZipDirectory(source)
  const [entry, second] = await entriesNamed(entries, (name) => isOwnInfo(name, sdist))
  if (second !== undefined) throw twice()
  return entry === undefined ? undefined : readZipEntry(source, entry, LIMITS.packageMetadataBytesMax)
}

async function readTarInfo(source: ByteSource, sdist: Distribution): Promise<Uint8Array | undefined> {
  const tar = readTar()
  const unpacking = pipeline(Readable.from(pieces(source)), createGunzip(), bounded(), tar)
  // What broke the pipeline also ends the loop below; awaiting it there tells which error came first.
  unpacking.catch(() => {})
  try {
    const found = await findInfo(tar, sdist)
    await unpacking
    return found
  } catch (error) {
    await unpacking.catch((cause: unknown) => {
      throw error instanceof DepotError ? error : notAnArchive(cause)
    })
    throw error instanceof DepotError ? error : notAnArchive(error)
  }
}

async function findInfo(tar: Extract, sdist: Distribution): Promise<Uint8Array | undefined> {
  let found: Uint8Array | undefined
  let entries = 0
  for await (const entry of tar) {
    if (++entries > LIMITS.archiveEntriesMax) {
      throw brokenArchive(`the sdist has more than ${LIMITS.archiveEntriesMax} entries`)
    }
    refuseOutside(entry.header.name)
    const isFile = entry.header.type === 'file' || entry.header.type === 'contiguous-file'
    if (!isFile || !isOwnInfo(entry.header.name, sdist)) {
      entry.resume()
      continue
    }
    if (found !== undefined) throw twice()
    found = await collect(entry as AsyncIterable<Uint8Array>)
  }
  return found
}

async function collect(entry: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  const parts: Uint8Array[] = []
  let sizeBytes = 0
  for await (const part of entry) {
    sizeBytes += part.byteLength
    if (sizeBytes > LIMITS.packageMetadataBytesMax) {
      throw brokenArchive(`PKG-INFO has more than ${LIMITS.packageMetadataBytesMax} bytes`)
    }
    parts.push(part)
  }
  return Buffer.concat(parts)
}

/** `<name>-<version>/PKG-INFO`, however name and version are spelled. */
function isOwnInfo(name: string, sdist: Distribution): boolean {
  const folder = /^(?:\.\/)?(?<folder>[^/]+)\/PKG-INFO$/.exec(name)?.groups?.['folder']
  if (folder === undefined) return false
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

function twice(): DepotError {
  return brokenArchive('the sdist has more than one PKG-INFO in its top folder')
}
