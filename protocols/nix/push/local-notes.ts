import type { LocalStore } from '../../../src/local-store.ts'
import type { PathFacts } from '../closure/path-source.ts'
import { localOutputId, parseLocalRealisation, realisationJson, realisationPath } from '../realisation.ts'
import { printStorePath } from '../store-path.ts'
import type { Note } from './push-notes.ts'

/** What a local store knows of which outputs of content-addressed derivations some paths are. */
export function localNotes(store: Pick<LocalStore, 'realisationsOf'>, paths: readonly PathFacts[]): readonly Note[] {
  // Such an output has the address of its content.
  const addressed = paths.filter(({ ca }) => ca !== undefined)
  return addressed.flatMap(({ baseName }) =>
    store.realisationsOf(printStorePath(baseName)).flatMap((row) => {
      const [output, known] = [localOutputId(row), parseLocalRealisation(row)]
      if (output === undefined || known === undefined) return []
      const content = new Blob([realisationJson(output, known)])
      return [{ path: realisationPath(output), sizeBytes: content.size, blob: () => content }]
    }),
  )
}
