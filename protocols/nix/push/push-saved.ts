import { failItem } from '../../../src/client/report.ts'
import type { PushRun } from '../../../src/client/runs.ts'
import { pushClosure, type ClosurePush } from './push-closure.ts'
import { pushNotes, savedNotes } from './push-notes.ts'
import { savedPaths } from './saved-paths.ts'

/**
 * Bring everything of a folder that is a binary cache into a depot: paths, then the logs of builds and the realisations that lie beside
 * them.
 *
 * @returns how many paths there are
 * @throws DepotError as `pushPaths`
 */
export async function pushSaved(
  run: PushRun,
  { skip, compress }: Pick<ClosurePush, 'skip' | 'compress'>,
): Promise<number> {
  const source = await savedPaths(run.files)
  for (const [file, why] of source.broken) failItem(run.report, file, why)
  await pushClosure(run, { source, roots: source.names, rootsOnly: true, skip, compress })
  await pushNotes(run, savedNotes(run.files))
  return source.names.length + source.broken.size
}
