import { DepotError } from '../../../src/errors.ts'
import type { LocalStore } from '../../../src/local-store.ts'
import { findLocal, localSource } from '../local-path.ts'
import { localOutputId, parseLocalRealisation, type KnownRealisation } from '../realisation.ts'
import { hashOf, printStorePath } from '../store-path.ts'
import type { PathFacts, PathSource } from './path-source.ts'

/** The valid paths of a store of this machine, read from its database and its files: neither a daemon nor a Nix is asked. */
export function localPaths(store: LocalStore): PathSource {
  const find = (baseName: string): ReturnType<typeof findLocal> => {
    const found = findLocal(store, hashOf(baseName))
    return found?.entry.baseName === baseName ? found : undefined
  }
  return {
    facts: async (baseName) => find(baseName)?.entry,
    async *nar(facts: PathFacts) {
      const found = find(facts.baseName)
      if (found === undefined)
        throw new DepotError('NOT_FOUND', `${printStorePath(facts.baseName)} is no longer in the local store`)
      await using archive = localSource({ entry: { ...found.entry, ...facts }, tree: found.tree })
      yield* archive.chunks({ start: 0, end: facts.narSizeBytes })
    },
  }
}

/** Of which outputs of content-addressed derivations a local store knows that a path is what they came to. */
export function localRealisations(
  store: Pick<LocalStore, 'realisationsOf'>,
  baseName: string,
): readonly KnownRealisation[] {
  return store.realisationsOf(printStorePath(baseName)).flatMap((row) => {
    const [output, known] = [localOutputId(row), parseLocalRealisation(row)]
    return output === undefined || known === undefined ? [] : [{ output, known }]
  })
}
