import { concernsOne } from '../../../src/client/fail-saved.ts'
import type { Codec } from '../../../src/codec/decode.ts'
import type { DepotError } from '../../../src/errors.ts'
import type { PathFacts, PathSource } from '../closure/path-source.ts'
import type { KnownRealisation } from '../realisation.ts'

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
      const first = await askInTurn(sources, (source) => source.facts(baseName))
      if (first !== undefined) places.set(baseName, first.source)
      return first?.found
    },
    named: async (hash) => (await askInTurn(sources, (source) => source.named(hash)))?.found,
    codec: (facts) => placeOf(facts).codec(facts),
    bring: (facts, path) => placeOf(facts).bring(facts, path),
    log: async (derivation) => (await askInTurn(sources, (source) => source.log(derivation)))?.found,
    realisations: (baseName) => places.get(baseName)?.realisations(baseName) ?? [],
  }
}

/** The first answer. @throws DepotError the first refusal when nobody has one, and what concerns more than this question at once */
async function askInTurn<T>(
  sources: readonly SaveSource[],
  ask: (source: SaveSource) => Promise<T | undefined>,
): Promise<{ readonly source: SaveSource; readonly found: T } | undefined> {
  let refusal: DepotError | undefined
  for (const source of sources) {
    const found = await ask(source).catch((error: unknown) => {
      if (!concernsOne(error)) throw error
      refusal ??= error
      return undefined
    })
    if (found !== undefined) return { source, found }
  }
  if (refusal !== undefined) throw refusal
  return undefined
}
