import type { PathEntry } from '../records.ts'

/** What a narinfo tells of a store path, without how its archive is compressed. */
export type PathFacts = Omit<PathEntry, 'since'>

/** Where store paths can be had from: a store of this machine, a folder that was saved, a cache. */
export interface PathSource {
  /**
   * What is known of a path, by its base name; undefined when it is not there.
   *
   * @throws DepotError when it cannot be told, or nobody who is trusted vouches for it
   */
  facts(baseName: string): Promise<PathFacts | undefined>
  /**
   * The archive of a path, not compressed; iterate it once. A piece is valid until the next one is asked for. Its last byte comes only when
   * all of it is what the facts say.
   *
   * @throws DepotError `CONTENT_MISMATCH` when it is another one, `NOT_FOUND` when it is gone meanwhile
   */
  nar(facts: PathFacts): AsyncIterable<Uint8Array>
}
