/** A file as the simple API lists it. */
export interface ListedFile {
  readonly filename: string
  readonly sha256: string
  readonly sizeBytes: number
  readonly requiresPython: string | undefined
  /** RFC 3339 in UTC: `2026-01-31T12:00:00.000Z`. */
  readonly uploadTime: string
  /** A text is the reason. */
  readonly yanked: boolean | string
  /** sha256 of the METADATA that is served beside the file, when there is one. */
  readonly metadataSha256: string | undefined
}

/** What a project's page is made from. */
export interface ProjectPage {
  /** Normalised. */
  readonly name: string
  /** In ascending order, normalised, each once. */
  readonly versions: readonly string[]
  readonly files: readonly ListedFile[]
  /** Where the folder of this project's files lies, relative to the page, with a slash at its end. */
  readonly filesUrl: string
}
