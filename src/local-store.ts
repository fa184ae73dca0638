import type { FileTree } from './file-tree.ts'

/**
 * A store that some other program keeps on this machine, and from which a depot may answer for what it does not hold itself. Nothing here
 * is checked: names, hashes and signatures are what that program wrote, for the protocol to parse.
 */
export interface LocalStore extends AsyncDisposable {
  /**
   * What the store's database says of the valid path with this hash part, all of it of one moment.
   *
   * @throws DepotError `STORAGE_DOWN` when the database cannot be read
   */
  find(storeHash: string): LocalPath | undefined
  /**
   * The files below a base name, as they are now, or undefined when there are none. Reading them throws DepotError `CONTENT_MISMATCH` when
   * they change or vanish meanwhile. Links are never followed.
   *
   * @throws DepotError `STORAGE_DOWN`
   */
  tree(baseName: string): FileTree | undefined
}

/** A row of the database, with the columns that Nix gives it. */
export interface LocalPath {
  /** Whole, like everything that names a path here: `/nix/store/<hash>-<name>`. */
  readonly path: string
  /** `sha256:` and hex. */
  readonly hash: string
  readonly narSize: number | null
  readonly references: readonly string[]
  readonly deriver: string | null
  /** With blanks between them. */
  readonly sigs: string | null
  readonly ca: string | null
}
