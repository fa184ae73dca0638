import { z } from 'zod'

import type { KvRecord } from '../../src/kv-store.ts'

/** Every Python record's kind starts with this. */
export const KIND_PREFIX = 'python-'
/** Key: normalised project name. Put again with each change of its files, so that its pages are rendered anew. */
export const PROJECT_KIND = 'python-project'
/** Key: `<normalised project name>/<file name>`. */
export const FILE_KIND = 'python-file'
/** One record, put whenever a project is new, so that the list of projects is rendered anew. */
export const LIST_KIND = 'python-list'
export const LIST_KEY = 'simple'

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
  /** Of the METADATA that a wheel contains. */
  metadata: z.object({ sha256: HEX_SHA256 }).optional(),
})

/** What is known of one distribution file. */
export type PythonFile = Readonly<z.infer<typeof fileSchema>>

/** @throws Error when the record is not what this version of the depot writes */
export function parseFile(record: KvRecord): PythonFile {
  return fileSchema.parse(JSON.parse(record.value))
}

export function fileKey(project: string, filename: string): string {
  return `${project}/${filename}`
}

/** The blobs that a file's record needs. */
export function fileRefs(file: PythonFile): readonly string[] {
  return file.metadata === undefined ? [file.sha256] : [file.sha256, file.metadata.sha256]
}
