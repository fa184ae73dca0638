import { createGunzip } from 'node:zlib'

import type { Extract, Header } from 'tar-stream'
import { z } from 'zod'

import { DepotError } from '../../src/errors.ts'
import { parseJson } from '../../src/http/body.ts'
import { parseAs } from '../../src/http/parse-as.ts'
import { LIMITS } from '../../src/limits.ts'
import { readTar } from '../../src/tar.ts'
import { messageOf } from '../../src/thrown.ts'
import { runsAtInstall } from './manifest.ts'

/** The package.json inside a tarball, as far as it must agree with what is published. */
export interface OwnPackageJson {
  readonly name: string
  /** As its author wrote it; npm publishes `publishedVersion` of it. */
  readonly version: string
  readonly hasInstallScript: boolean
  /** All of it, as its author wrote it. */
  readonly whole: Readonly<Record<string, unknown>>
}

/** Reads along while a tarball goes to storage. Disposing it ends its streams. */
export interface TarballInspector extends Disposable {
  /** The next bytes; resolves when they may be reused. @throws DepotError as `finish` */
  write(bytes: Uint8Array): Promise<void>
  /**
   * After the last byte.
   *
   * @throws DepotError `CONTENT_MISMATCH` (400) for what is not a gzipped tar with one package.json, `TOO_LARGE`
   */
  finish(): Promise<OwnPackageJson>
}

/**
 * Unpack a gzipped tar in memory, entry by entry, and keep one file of it: `<any folder>/package.json`. Nothing is ever
 * written to disk; links and devices are passed over, as npm does.
 */
export function inspectTarball(): TarballInspector {
  const gunzip = createGunzip({ chunkSize: LIMITS.inlineReadBytesMax })
  let failure: { readonly error: unknown } | undefined
  let abortWrite = (_error: unknown): void => {}

  const packageJson = unpack(gunzip)
  // A write waits for the decoder, which will never answer once unpacking has failed.
  packageJson.catch((error: unknown) => {
    failure = { error }
    abortWrite(error)
    gunzip.destroy()
  })

  return {
    async write(bytes) {
      if (failure !== undefined) throw failure.error
      await new Promise<void>((resolve, reject) => {
        abortWrite = reject
        // An error of the decoder comes out of `unpack` too, and better worded.
        gunzip.write(bytes, (error) => (error ? undefined : resolve()))
      })
    },
    async finish() {
      gunzip.end()
      return parsePackageJson(await packageJson)
    },
    [Symbol.dispose]: () => void gunzip.destroy(),
  }
}

/** The text of the one package.json in what comes out of the decoder. */
async function unpack(gunzip: AsyncIterable<Uint8Array>): Promise<string> {
  const extract = readTar()
  try {
    const [text] = await Promise.all([collectPackageJson(extract), feed(gunzip, extract)])
    return text
  } catch (error) {
    throw archiveError(error)
  } finally {
    extract.destroy()
  }
}

async function feed(unpacked: AsyncIterable<Uint8Array>, extract: Extract): Promise<void> {
  let sizeBytes = 0
  for await (const bytes of unpacked) {
    sizeBytes += bytes.byteLength
    if (sizeBytes > LIMITS.npmUnpackedBytesMax)
      throw new DepotError('TOO_LARGE', 'the tarball unpacks to too many bytes')
    if (!extract.write(bytes)) await drained(extract)
    // Whoever reads the entries has given up, and says why.
    if (extract.destroying) return
  }
  extract.end(undefined)
}

function drained(extract: Extract): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      extract.off('drain', done).off('close', done)
      resolve()
    }
    extract.on('drain', done).on('close', done)
  })
}

async function collectPackageJson(extract: Extract): Promise<string> {
  let entries = 0
  let text: string | undefined
  for await (const entry of extract) {
    if (++entries > LIMITS.archiveEntriesMax) throw new DepotError('TOO_LARGE', 'the tarball has too many entries')
    refuseEscape(entry.header.name)
    if (!isPackageJson(entry.header)) {
      entry.resume()
      continue
    }
    if (text !== undefined) throw notATarball('it has two package.json files')
    const pieces: Uint8Array[] = []
    for await (const piece of entry) pieces.push(piece as Uint8Array)
    text = Buffer.concat(pieces).toString('utf8')
  }
  if (text === undefined) throw notATarball('it has no package.json in its folder')
  return text
}

/** npm drops the first part of every path, so these are what ends as the package's own package.json. */
function isPackageJson({ name, type, size }: Header): boolean {
  if ((type !== 'file' && type !== 'contiguous-file') || !/^[^/]+\/package\.json$/.test(name)) return false
  if (size > LIMITS.packageMetadataBytesMax)
    throw new DepotError('TOO_LARGE', 'the package.json in the tarball is too large')
  return true
}

/** Nothing is unpacked here, but it will be by those who install it. */
function refuseEscape(name: string): void {
  if (name.startsWith('/') || name.split(/[/\\]/).includes('..')) {
    throw notATarball(`the entry ${JSON.stringify(name.slice(0, 200))} leads out of its folder`)
  }
}

const packageJsonSchema = z.looseObject({ name: z.string(), version: z.string(), scripts: z.unknown().optional() })

function parsePackageJson(text: string): OwnPackageJson {
  const parsed = parseJson(text.startsWith(BYTE_ORDER_MARK) ? text.slice(1) : text)
  const whole = parseAs(packageJsonSchema, parsed, 'the package.json in the tarball')
  const { name, version, scripts } = whole
  return { name, version, hasInstallScript: runsAtInstall(scripts), whole }
}

const BYTE_ORDER_MARK = '\ufeff'

function archiveError(error: unknown): unknown {
  if (error instanceof DepotError) return error
  const reason = messageOf(error)
  return notATarball(reason, error)
}

function notATarball(reason: string, cause?: unknown): DepotError {
  return new DepotError('CONTENT_MISMATCH', `this is not an npm tarball: ${reason}`, { status: 400, cause })
}
