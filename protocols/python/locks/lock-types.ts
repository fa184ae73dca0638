import type { Hashes } from '../../../src/client/saved-files.ts'

/** One file that a lock file names whole: what it is called and what it must hash to. */
export interface LockedFile {
  /** Normalised, as PEP 503 has it. */
  readonly project: string
  readonly version: string
  readonly filename: string
  readonly hashes: Hashes
  /** As locked: absolute, or relative to the index's page. */
  readonly url?: string
  readonly sizeBytes?: number
  /** ISO 8601, as locked. */
  readonly uploadTime?: string
}

/** A version that is pinned without the addresses of its files: an index has to be asked for them. */
export interface LockedVersion {
  /** Normalised, as PEP 503 has it. */
  readonly project: string
  readonly version: string
  readonly extras: readonly string[]
  /** `sha256:…`. Any file of the version may have any of them; none at all means that the lock does not say. */
  readonly hashes: readonly string[]
  /** poetry.lock and pdm.lock say which file has which hash. */
  readonly filenames?: readonly LockedName[]
  /** A PEP 508 environment marker. */
  readonly marker?: string
}

export interface LockedName {
  readonly filename: string
  /** `sha256:…` */
  readonly hash: string
}

/** What the options of a requirements file or the sources of a lock say about where packages come from. */
export interface LockOptions {
  readonly indexUrl?: string
  readonly extraIndexUrls: readonly string[]
  readonly findLinks: readonly string[]
  readonly noIndex: boolean
  readonly preReleases: boolean
  readonly requireHashes: boolean
  /** Names, or `:all:` and `:none:`, as pip reads them. */
  readonly noBinary: readonly string[]
  readonly onlyBinary: readonly string[]
}

/** What a lock file names that no index has: a checkout of git, a folder, an address of its own. */
export interface OtherItem {
  /** Its name, and where it lies: `demo (git+https://…)`. */
  readonly item: string
  /** The package's name as it is spelt there. */
  readonly name: string
  /** Where it would be fetched from, without credentials. */
  readonly address?: string
  readonly reason: string
  /** Whether an install inside, with the depot alone, fails for the lack of it. */
  readonly breaks: boolean
}

export type LockKind =
  | 'requirements.txt'
  | 'pylock.toml'
  | 'uv.lock'
  | 'poetry.lock'
  | 'pdm.lock'
  | 'Pipfile.lock'
  | 'pyproject.toml'

/** What a lock or requirements file asks for. The project that it belongs to is not listed. */
export interface ReadLock {
  readonly kind: LockKind
  readonly files: readonly LockedFile[]
  readonly versions: readonly LockedVersion[]
  /** PEP 508 lines that are still to be resolved. */
  readonly requirements: readonly string[]
  /** PEP 508 lines that only limit what is resolved. */
  readonly constraints: readonly string[]
  readonly options: LockOptions
  readonly others: readonly OtherItem[]
}
