import type { LocalStore } from '../../../src/local-store.ts'
import { localRealisations } from '../closure/local-source.ts'
import type { PathFacts } from '../closure/path-source.ts'
import { realisationJson, realisationPath } from '../realisation.ts'
import type { Note } from './push-notes.ts'

/** What a local store knows of which outputs of content-addressed derivations some paths are. */
export function localNotes(store: Pick<LocalStore, 'realisationsOf'>, paths: readonly PathFacts[]): readonly Note[] {
  // Such an output has the address of its content.
  const addressed = paths.filter(({ ca }) => ca !== undefined)
  return addressed.flatMap(({ baseName }) =>
    localRealisations(store, baseName).map(({ output, known }) => {
      const content = new Blob([realisationJson(output, known)])
      return { path: realisationPath(output), sizeBytes: content.size, blob: () => content }
    }),
  )
}
