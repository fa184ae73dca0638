import { z } from 'zod'

import { DepotError } from '../../src/errors.ts'
import type { KvRecord } from '../../src/kv-store.ts'

/** Every Python record's kind starts with this. */
export const KIND_PREFIX = 'python-'
/** Key: normalised project name. Put again with each change of its files, so that its pages are rendered anew. */
export const PROJECT_KIND = 'python-project'
/** Key: `<normalised project name>/<file name>`. */
export const FILE_KIND = 'python-file'
/**
 * Key: `<normalised project name>/<identity>` (identity.ts). Which file is that to an installer, so that a second one in another spelling is
 * refused. It stays while the file's record does, also a deleted one's.
 */
export const PLACE_KIND = 'python-distribution'
/** Key: normalised project name. That each of its files has its `PLACE_KIND` record. */
export const PLACED_KIND = 'python-placed'
/** One record, put whenever a project is new, so that the list of projects is rendered anew. */
export const LIST_KIND = 'python-list'
export const LIST_KEY = 'simple'
/** Key: normalised project name. Only of projects that are not active. */
export const STATUS_KIND = 'python-status'
/** Key: `<normalised project name>/`. Stands while all files of a project are deleted: it is then in no list. */
export const EMPTY_KIND = 'python-empty'

const HEX_SHA256 = z.string().regex(/^[0-9a-f]{64}$/)

const fileSchema = z.object({
  filename: z.string(),
  /** As PEP 440 normalises it. */
  version: z.string(),
  sha256: HEX_SHA256,
  sizeBytes: z.number().int().nonnegative(),
  requiresPython: z.string().optional(),
  uploadTime: z.string(),
  yanked: z.union([z.boolean(), z.string()]),
  /** Of the METADATA that a wheel contains, or of an sdist's PKG-INFO where that holds for every wheel made from it. */
  metadata: z.object({ sha256: HEX_SHA256 }).optional(),
  /** Of what its publisher attests, as PEP 740 serves it. */
  provenance: z.object({ sha256: HEX_SHA256 }).optional(),
})

/** What is known of one distribution file. */
export type PythonFile = Readonly<z.infer<typeof fileSchema>>

const tombstoneSchema = z.object({
  /** When it was deleted: RFC 3339 in UTC. */
  deleted: z.string(),
  /** sha256 of what it was. */
  digest: HEX_SHA256,
})

/** What is left of a deleted file: its name stays taken. */
export type Tombstone = Readonly<z.infer<typeof tombstoneSchema>>

/** @throws Error when the record is not what this version of the depot writes */
export function parseFile(record: KvRecord): PythonFile | Tombstone {
  const value: unknown = JSON.parse(record.value)
  const isDeleted = typeof value === 'object' && value !== null && Object.hasOwn(value, 'deleted')
  return isDeleted ? tombstoneSchema.parse(value) : fileSchema.parse(value)
}

/** The file that a record is about; undefined for none, and for one that was deleted. */
export function liveFile(record: KvRecord | undefined): PythonFile | undefined {
  const file = record && parseFile(record)
  return file === undefined || isTombstone(file) ? undefined : file
}

export function isTombstone(file: PythonFile | Tombstone): file is Tombstone {
  return 'deleted' in file
}

/** What a writer of such a name is told. */
export function wasDeleted(filename: string): DepotError {
  return new DepotError(
    'CONFLICT',
    `${filename} was deleted, and its name stays taken in every spelling: publish under another version or build number`,
  )
}

/** What PEP 792 knows besides `active`. */
export const STATUSES = ['archived', 'quarantined', 'deprecated'] as const

const statusSchema = z.object({ status: z.enum(STATUSES), reason: z.string().optional() })

/** That a project is not simply active, and why. */
export type ProjectStatus = Readonly<z.infer<typeof statusSchema>>

/** @throws Error when the record is not what this version of the depot writes */
export function parseStatus(record: KvRecord): ProjectStatus {
  return statusSchema.parse(JSON.parse(record.value))
}

export function fileKey(project: string, filename: string): string {
  return `${project}/${filename}`
}

export function emptyKey(project: string): string {
  return `${project}/`
}

/** The blobs that a file's record needs. */
export function fileRefs({ sha256, metadata, provenance }: PythonFile): readonly string[] {
  return [sha256, metadata?.sha256, provenance?.sha256].filter((digest) => digest !== undefined)
}
