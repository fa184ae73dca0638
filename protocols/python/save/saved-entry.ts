import { z } from 'zod'

import { savedText, type Hashes, type SavedFolder } from '../../../src/client/saved-files.ts'
import { hasCode } from '../../../src/errors.ts'
import { LIMITS } from '../../../src/limits.ts'
import { strongHashes } from './index-page.ts'

/** What we note beside the index's own words. */
export interface Notes {
  /** All files of the version that the index had, saved or not, by name. Only one file of a version has the list. */
  readonly siblings?: ReadonlyMap<string, Hashes>
  /** What an sdist needs to be built, as it was saved for these interpreters. */
  readonly build?: { readonly for: string; readonly pins: readonly Pin[] }
  /** How the file was when its digests were found to be right: as long as it is like that, it is not read again. */
  readonly checked?: Checked
}

/** A file's size and the time of its last change. */
export interface Checked {
  readonly sizeBytes: number
  readonly modifiedMs: number
}

/** What a saved file's `<file>.json` tells whoever saves again. It is written last: where it is, all that belongs to the file is. */
export interface SavedEntry {
  readonly hashes: Hashes
  /** Everything that stands in it. */
  readonly fields: Readonly<Record<string, unknown>>
  readonly notes: Notes
}

export interface Pin {
  readonly project: string
  readonly version: string
}

const hashes = z.record(z.string(), z.string())
const ownSchema = z.object({
  checked: z.object({ sizeBytes: z.number(), modifiedMs: z.number() }).optional(),
  files: z.record(z.string(), hashes).optional(),
  build: z
    .object({ for: z.string(), pins: z.array(z.object({ project: z.string(), version: z.string() })) })
    .optional(),
})

/** The key that is ours among those of PEP 691. */
const OWN = '_depot'

/** Read the entry of a saved file; undefined when there is none, or none that we wrote. */
export async function readSavedEntry(folder: SavedFolder, path: string): Promise<SavedEntry | undefined> {
  const file = await folder.find(`${path}.json`)
  if (file === undefined) return undefined
  const fields = parsed(await savedText(file, LIMITS.pythonSavedEntryBytesMax).catch(tooLong))
  if (fields === undefined) return undefined
  const own = ownSchema.safeParse(fields[OWN] ?? {})
  const found = hashes.safeParse(fields['hashes'] ?? {})
  return { hashes: strongHashes(Object.entries(found.data ?? {})), fields, notes: notesOf(own.data ?? {}) }
}

function notesOf({ files, build, checked }: z.infer<typeof ownSchema>): Notes {
  const siblings = Object.entries(files ?? {}).map(([name, all]) => [name, strongHashes(Object.entries(all))] as const)
  return {
    ...(files === undefined ? {} : { siblings: new Map(siblings) }),
    ...(build === undefined ? {} : { build }),
    ...(checked === undefined ? {} : { checked }),
  }
}

function tooLong(error: unknown): string {
  if (hasCode(error, 'TOO_LARGE')) return ''
  throw error
}

function parsed(text: string): Readonly<Record<string, unknown>> | undefined {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? { ...value } : undefined
  } catch {
    return undefined
  }
}

/**
 * Write the entry of a file that is there with all that belongs to it: the index's own words, and what we note. Nothing is written when
 * that stands there already.
 */
export async function writeSavedEntry(
  folder: SavedFolder,
  path: string,
  { fields, notes, before }: Pick<SavedEntry, 'fields' | 'notes'> & { readonly before: SavedEntry | undefined },
): Promise<void> {
  const { siblings, build, checked } = notes
  const noted = {
    ...(siblings === undefined ? {} : { files: Object.fromEntries(siblings) }),
    ...(build === undefined ? {} : { build }),
    ...(checked === undefined ? {} : { checked }),
  }
  const { [OWN]: _older, ...theirs } = fields
  const entry = JSON.stringify(Object.keys(noted).length === 0 ? theirs : { ...theirs, [OWN]: noted })
  if (before === undefined || JSON.stringify(before.fields) !== entry) await folder.write(`${path}.json`, `${entry}\n`)
}
