import { concernsOne } from '../../../src/client/fail-saved.ts'
import type { Codec } from '../../../src/codec/decode.ts'
import type { DepotError } from '../../../src/errors.ts'
import type { PathFacts, PathSource } from '../closure/path-source.ts'
import type { OutputId, Realisation } from '../realisation.ts'

/** Where store paths are saved from. */
export interface SaveSource extends Pick<PathSource, 'facts'> {
  /** The base name of the path with this store hash, as far as the source says so: `facts` tells whether it is to be believed. */
  named(hash: string): Promise<string | undefined>
  /** What to say of a path that is not there. */
  readonly absent: string
  /** How the archive of a path, of which facts were told, will lie in the folder. */
  codec(facts: PathFacts): Codec
  /**
   * Bring the archive of a path, of which facts were told, into the folder. It becomes visible only when it is what they say.
   *
   * @returns the sha256 of the file, as hex, and its size
   * @throws DepotError `CONTENT_MISMATCH` when it is not, `NOT_FOUND` when it is gone
   */
  bring(facts: PathFacts, path: string): Promise<BroughtFile>
  /** The log of a build, decoded, by the base name of its derivation, if it is there. */
  log(derivation: string): Promise<AsyncIterable<Uint8Array> | undefined>
  /** Which outputs of content-addressed derivations a path is, as far as this can be told. */
  realisations(baseName: string): readonly KnownRealisation[]
}

export interface KnownRealisation {
  readonly output: OutputId
  readonly known: Realisation
}

export interface BroughtFile {
  readonly fileHash: string
  readonly fileSizeBytes: number
}

/** Several sources as one: what the first does not have, or what is not good there, comes from the next. */
export function firstOf(sources: readonly SaveSource[]): SaveSource {
  const places = new Map<string, SaveSource>()
  const placeOf = ({ baseName }: PathFacts): SaveSource => {
    const place = places.get(baseName)
    if (place === undefined) throw new TypeError(`nobody has told of ${baseName}`)
    return place
  }
  return {
    absent: sources.map(({ absent }) => absent).join('; '),
    async facts(baseName) {
      let refusal: DepotError | undefined
      for (const source of sources) {
        const found = await source.facts(baseName).catch((error: unknown) => {
          if (!concernsOne(error)) throw error
          refusal ??= error
        })
        if (found === undefined) continue
        places.set(baseName, source)
        return found
      }
      if (refusal !== undefined) throw refusal
      return undefined
    },
    async named(hash) {
      for (const source of sources) {
        const baseName = await source.named(hash)
        if (baseName !== undefined) return baseName
      }
      return undefined
    },
    codec: (facts) => placeOf(facts).codec(facts),
    bring: (facts, path) => placeOf(facts).bring(facts, path),
    async log(derivation) {
      for (const source of sources) {
        const found = await source.log(derivation)
        if (found !== undefined) return found
      }
      return undefined
    },
    realisations: (baseName) => places.get(baseName)?.realisations(baseName) ?? [],
  }
}
