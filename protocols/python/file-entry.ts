import { z } from 'zod'

import type { Depot } from '../../src/depot.ts'
import { DepotError } from '../../src/errors.ts'
import { parseAs } from '../../src/http/parse-as.ts'
import { LIMITS } from '../../src/limits.ts'
import type { Caller } from '../../src/protocol.ts'
import { brokenArchive } from './archive-error.ts'
import { updateFiles } from './change-files.ts'
import type { Distribution } from './filename.ts'
import { isRequiresPython } from './inspect.ts'
import { isReason } from './reason.ts'
import { FILE_KIND, fileKey, isTombstone, parseFile, wasDeleted, type PythonFile } from './records.ts'

const UPLOAD_TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,6})?(?:Z|[+-]\d\d:\d\d)$/

/** A file's entry of a simple JSON page (PEP 691), as far as a depot can take it over from another index. */
const entrySchema = z.object({
  filename: z.string(),
  hashes: z.record(z.string(), z.string()).nullish(),
  size: z.number().nullish(),
  'requires-python': z
    .string()
    .refine((value) => value === '' || isRequiresPython(value))
    .nullish(),
  'upload-time': z.string().regex(UPLOAD_TIME).refine(isTime).nullish(),
  yanked: z.union([z.boolean(), z.string().refine(isReason)]).nullish(),
})

/** The part of an entry that is used. */
export type FileEntry = z.infer<typeof entrySchema>

/** @throws DepotError `BAD_REQUEST` */
export function parseEntry(value: unknown): FileEntry {
  return parseAs(entrySchema, value, 'the file entry of a simple JSON page')
}

/**
 * Take over what another index says of a file that is here: when it was uploaded, whether it was yanked, and for which Pythons
 * it is when its own metadata does not say. Everything that can be held against the bytes is.
 *
 * @throws DepotError `NOT_FOUND` when the file was not sent first, `CONFLICT` when it was deleted, `CONTENT_MISMATCH` (400) when the
 * entry is another file's or its time lies in the future
 */
export async function mergeEntry(
  depot: Depot,
  caller: Caller,
  distribution: Distribution,
  entry: FileEntry,
): Promise<void> {
  const { project, filename } = distribution
  await depot.retryConflicts(async () => {
    const record = await depot.get(caller.cache, FILE_KIND, fileKey(project, filename))
    if (record === undefined) throw new DepotError('NOT_FOUND', 'file not found: send the file before its entry')
    const known = parseFile(record)
    if (isTombstone(known)) throw wasDeleted(filename)
    refuseOther(entry, known)
    const file = merged(known, entry)
    if (JSON.stringify(file) === JSON.stringify(known)) return
    await updateFiles(depot, caller, project, { files: [{ file, version: record.version }], what: 'entry' })
  })
}

function refuseOther(entry: FileEntry, known: PythonFile): void {
  if (entry.filename !== known.filename) throw brokenArchive('the entry is for another file name')
  const sha256 = entry.hashes?.['sha256']
  if (sha256 !== undefined && sha256.toLowerCase() !== known.sha256) {
    throw brokenArchive('the entry gives another sha256 than the file that is here')
  }
  const time = entry['upload-time']
  if (typeof time === 'string' && Date.parse(time) > Date.now() + LIMITS.clockSkewSeconds * 1000) {
    throw brokenArchive('the entry has an upload-time that lies in the future')
  }
  if (typeof entry.size === 'number' && entry.size > 0 && entry.size !== known.sizeBytes) {
    throw brokenArchive('the entry gives another size than the file that is here')
  }
}

function merged(known: PythonFile, entry: FileEntry): PythonFile {
  const requiresPython = known.requiresPython ?? (entry['requires-python'] || undefined)
  return {
    ...known,
    ...(requiresPython === undefined ? {} : { requiresPython }),
    uploadTime: utc(entry['upload-time']) ?? known.uploadTime,
    // A page in HTML says it so when there is no reason.
    yanked: entry.yanked === '' ? true : (entry.yanked ?? known.yanked),
  }
}

/**
 * Whether every client can read it: one time that pip cannot is the end of the whole page. A `Date` also takes 30 February, 24 o'clock and
 * the year 0. The first distributions were uploaded in 2003.
 */
function isTime(time: string): boolean {
  const ms = Date.parse(time)
  if (Number.isNaN(ms) || ms < 0) return false
  const asUtc = Date.parse(`${time.slice(0, SECONDS_LENGTH)}Z`)
  return new Date(asUtc).toISOString().startsWith(time.slice(0, SECONDS_LENGTH))
}

const SECONDS_LENGTH = '2026-01-31T12:00:00'.length

/** PyPI's own times keep their microseconds. */
function utc(time: string | null | undefined): string | undefined {
  if (time === null || time === undefined) return undefined
  return time.endsWith('Z') ? time : new Date(time).toISOString()
}
