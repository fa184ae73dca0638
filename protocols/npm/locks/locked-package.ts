/** The lock files that are read: npm's (package-lock and shrinkwrap, v1 to v3), pnpm's (v5 to v9), those of both yarns, bun's text form. */
export type LockKind = 'npm' | 'pnpm' | 'yarn 1' | 'yarn berry' | 'bun'

/** One version of a package of a registry that a lock file names. */
export interface LockedPackage {
  /** The package's own name in the registry, not the alias that it is installed under. */
  readonly name: string
  readonly version: string
  /**
   * Subresource integrity of the tarball as the lock file has it: `sha512-<base64>`, several separated by spaces. Absent when it names
   * none, as yarn berry never does: its checksum is that of a zip of its own.
   */
  readonly integrity?: string
  /** The tarball's http(s) address if the lock file names one, without yarn's `#<sha1>`. */
  readonly resolved?: string
  /** What the lock file says of where it runs, as in package.json (`!win32` excludes). Absent: it does not say. */
  readonly os?: readonly string[]
  readonly cpu?: readonly string[]
  readonly libc?: readonly string[]
  /** Whether an install goes on without it. False where the lock file does not say. */
  readonly optional: boolean
}

/** What a lock file names that comes from no registry: a git repository, an http tarball, a file. */
export interface LockedSource {
  /** How the lock file calls it. */
  readonly item: string
  /** A sentence: what it is. */
  readonly reason: string
  /** Where it would be fetched from: a git URL or a tarball's, as the lock file spells it. */
  readonly url?: string
  /** As that of a package, where the lock file has one: of tarballs, not of repositories. */
  readonly integrity?: string
  /** Whether an install in a closed network fails without it. A file of the project itself comes along with the project. */
  readonly breaks: boolean
}

/** A lock file that was read. Links, workspaces and what a tarball brings along (`bundleDependencies`) are not listed. */
export interface ReadLock {
  readonly kind: LockKind
  /** Each once by name, version and integrity, in the order of the file. */
  readonly packages: readonly LockedPackage[]
  readonly others: readonly LockedSource[]
}
