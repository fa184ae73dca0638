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
  /**
   * The log of the last build of a derivation, by its base name, or undefined when there is none; it may still be growing. Whether the
   * derivation is valid does not matter: logs outlive them.
   *
   * @throws DepotError `STORAGE_DOWN`
   */
  log(derivation: string): LocalLog | undefined
  /**
   * What an output of a content-addressed derivation turned out to be, when that path is valid.
   *
   * @param derivation its base name, or for stores of Nix before 2.35 `sha256:` and the hex of the hash that stands for it
   * @throws DepotError `STORAGE_DOWN`
   */
  realisation(derivation: string, output: string): LocalRealisation | undefined
  /**
   * What a path is known to be an output of, of content-addressed derivations.
   *
   * @param path whole
   * @throws DepotError `STORAGE_DOWN`
   */
  realisationsOf(path: string): readonly NamedRealisation[]
}

/** A realisation with what it is of, as `LocalStore.realisation` takes it. */
export interface NamedRealisation extends LocalRealisation {
  readonly derivation: string
  readonly output: string
}

/** A file that is read once; reading throws DepotError `CONTENT_MISMATCH` when it is gone or another one. */
export interface LocalLog {
  readonly coding: 'none' | 'bzip2'
  readonly bytes: AsyncIterable<Uint8Array>
}

/** A row of the database, with names as Nix prints them. */
export interface LocalRealisation {
  /** Whole. */
  readonly outPath: string
  /** With blanks between them. */
  readonly signatures: string | null
  /** Whole paths of the outputs that it depends on, by `<hash>!<output>`. */
  readonly dependents: Readonly<Record<string, string>>
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
