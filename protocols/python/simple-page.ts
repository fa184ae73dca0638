import type { ProjectStatus } from './records.ts'

/** What a page promises (PEP 629): that of PEP 792, with `size` and `versions` (PEP 700) in JSON. */
export const API_VERSION = '1.4'

/** A file as the simple API lists it. */
export interface ListedFile {
  readonly filename: string
  /** As PEP 440 normalises it. */
  readonly version: string
  readonly sha256: string
  readonly sizeBytes: number
  readonly requiresPython: string | undefined
  /** RFC 3339 in UTC: `2026-01-31T12:00:00.000Z`. */
  readonly uploadTime: string
  /** A text is the reason. */
  readonly yanked: boolean | string
  /** sha256 of the METADATA that is served beside the file, when there is one. */
  readonly metadataSha256: string | undefined
  /** Where its provenance is served, relative to the page, when there is one. */
  readonly provenanceUrl: string | undefined
}

/** What a project's page is made from. */
export interface ProjectPage {
  /** Normalised. */
  readonly name: string
  /** Undefined for one that is active. */
  readonly status: ProjectStatus | undefined
  /** In ascending order, normalised, each once. */
  readonly versions: readonly string[]
  readonly files: readonly ListedFile[]
  /** Where the folder of this project's files lies, relative to the page, with a slash at its end. */
  readonly filesUrl: string
}

/** How the list of all projects is written: item by item, because there may be very many. */
export interface ListForm {
  readonly head: string
  readonly between: string
  readonly tail: string
  item(name: string): string
}
