import { createHash } from 'node:crypto'

import { savedText, type SavedFile } from '../../../src/client/saved-files.ts'
import { DepotError } from '../../../src/errors.ts'
import { parseJson } from '../../../src/http/body.ts'
import { LIMITS } from '../../../src/limits.ts'
import { parseEntry, type FileEntry } from '../file-entry.ts'
import { checkProvenance } from '../provenance.ts'
import type { SavedDistribution } from './saved-distributions.ts'

/** A distribution of which all that can be known without the depot is known. */
export interface PreparedFile {
  readonly saved: SavedDistribution
  /** What its entry promises, or what its bytes have when nothing does. */
  readonly sha256: string
  /** Whether its bytes were read and have it. */
  readonly verified: boolean
  readonly entry: FileEntry | undefined
  /** sha256 of its provenance, if it has one. */
  readonly provenance: string | undefined
}

/**
 * Read what lies beside a distribution, and hold it against the file. The bytes themselves are read where nothing promises their hash,
 * or when they are to be verified in any case.
 *
 * @throws DepotError `CONTENT_MISMATCH` for what is damaged, or belongs to another file; `BAD_REQUEST` for what is malformed
 */
export async function prepareFile(
  saved: SavedDistribution,
  { verify }: { readonly verify: boolean },
): Promise<PreparedFile> {
  const { file, distribution } = saved
  if (file.sizeBytes > LIMITS.blobBytesMax) throw new DepotError('TOO_LARGE', 'it is larger than a depot takes')
  const entry = saved.entry && (await readEntry(saved.entry))
  if (entry !== undefined && entry.filename !== distribution.filename)
    throw mismatch(`its .json is of another file, ${entry.filename.slice(0, 200)}`)
  if (typeof entry?.size === 'number' && entry.size > 0 && entry.size !== file.sizeBytes)
    throw mismatch(`it has ${file.sizeBytes} bytes, and its .json says ${entry.size}: one of them is damaged`)
  const promised = promisedBy(entry)
  const sha256 = promised === undefined || verify ? await sha256Of(await file.blob()) : promised
  requireSha256(sha256, promised)
  const read = { saved, sha256, verified: promised === undefined || verify, entry }
  const provenance = await provenanceOf(read)
  // Not the text: there may be a thousand of them.
  return { ...read, provenance: provenance && sha256OfText(provenance) }
}

/** Hold bytes against the sha256 that was promised. @throws DepotError `CONTENT_MISMATCH` */
export function requireSha256(actual: string, promised: string | undefined): void {
  if (promised === undefined || actual === promised) return
  throw mismatch(`it is damaged: sha256 ${promised} was promised, and it has ${actual}`)
}

/** In hex. Read piece by piece. */
export async function sha256Of(content: Blob): Promise<string> {
  const hash = createHash('sha256')
  for await (const piece of content.stream()) hash.update(piece)
  return hash.digest('hex')
}

async function readEntry(file: SavedFile): Promise<FileEntry> {
  const text = await savedText(file, LIMITS.pythonSavedEntryBytesMax)
  try {
    return parseEntry(parseJson(text))
  } catch (error) {
    if (!(error instanceof DepotError)) throw error
    throw new DepotError('BAD_REQUEST', `its .json cannot be used: ${error.message}`, { cause: error })
  }
}

function promisedBy(entry: FileEntry | undefined): string | undefined {
  const sha256 = entry?.hashes?.['sha256']
  if (sha256 === undefined) return undefined
  if (/^[0-9a-f]{64}$/i.test(sha256)) return sha256.toLowerCase()
  throw new DepotError('BAD_REQUEST', 'its .json cannot be used: it has a sha256 that is none')
}

/** The provenance of a file as its index served it, if it was saved. @throws DepotError when it is malformed, or another file's */
export async function provenanceOf({
  saved,
  sha256,
}: Pick<PreparedFile, 'saved' | 'sha256'>): Promise<string | undefined> {
  if (saved.provenance === undefined) return undefined
  const text = await savedText(saved.provenance, LIMITS.pythonProvenanceBytesMax)
  try {
    checkProvenance(text, { filename: saved.distribution.filename, sha256 })
    return text
  } catch (error) {
    if (!(error instanceof DepotError)) throw error
    throw new DepotError(error.code, `its .provenance cannot be used: ${error.message}`, { cause: error })
  }
}

function sha256OfText(text: string): string {
  return createHash('sha256').update(text).digest('hex')
}

function mismatch(message: string): DepotError {
  return new DepotError('CONTENT_MISMATCH', message)
}
