import { failItem } from '../../../src/client/report.ts'
import { closureOf } from '../closure/closure.ts'
import type { PathFacts } from '../closure/path-source.ts'
import { printStorePath } from '../store-path.ts'
import { pushPaths, type PathPush, type PathRun } from './push-paths.ts'
import type { SignedBy } from './signed-by.ts'

export interface ClosurePush extends Omit<PathPush, 'paths'> {
  /** Base names. */
  readonly roots: Iterable<string>
  /** Leave out what the roots refer to. */
  readonly rootsOnly: boolean
  /** Leave out, and only count, what one of these has signed. */
  readonly skip: readonly SignedBy[]
}

/** Bring some store paths, and all that they refer to, into a depot; returns those. @throws DepotError as `pushPaths` */
export async function pushClosure(run: PathRun, push: ClosurePush): Promise<readonly PathFacts[]> {
  const { source, roots, rootsOnly, skip, compress } = push
  const { paths, missing } = await closureOf(source, roots, { rootsOnly })
  for (const [baseName, why] of missing) failItem(run.report, printStorePath(baseName), why)
  const sent = paths.filter((facts) => {
    const skipped = skip.some((key) => key(facts))
    if (skipped) run.report.add({ item: printStorePath(facts.baseName), result: 'left out' })
    return !skipped
  })
  await pushPaths(run, { source, paths: sent, compress })
  return sent
}
