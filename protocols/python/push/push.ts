import { inParallel } from '../../../src/client/in-parallel.ts'
import { failItem } from '../../../src/client/report.ts'
import type { PushRun } from '../../../src/client/runs.ts'
import { LIMITS } from '../../../src/limits.ts'
import { askFiles, refusalOf } from './ask-files.ts'
import { prepareFile, type PreparedFile } from './prepare-file.ts'
import { savedDistributions, type LeftOut, type SavedDistribution } from './saved-distributions.ts'
import { sendFile } from './send-file.ts'

/**
 * Bring the distributions of a saved folder into a depot, with what their index said of them and their provenance. Returns how many
 * distributions the folder has.
 *
 * @throws DepotError for what concerns all of them
 */
export async function pushPython(run: PushRun): Promise<number> {
  let found = 0
  for await (const some of inGroups(savedDistributions(run.files), LIMITS.pythonMissingFilesMax)) {
    const distributions = some.filter((one) => 'distribution' in one)
    for (const one of some) if ('reason' in one) leaveOut(run, one)
    found += distributions.length
    await pushGroup(run, distributions)
  }
  return found
}

function leaveOut({ report }: PushRun, { path, reason }: LeftOut): void {
  report.add({ item: path, result: 'left out', reason })
}

async function pushGroup(run: PushRun, distributions: readonly SavedDistribution[]): Promise<void> {
  const { report, transfer } = run
  report.expect({
    items: distributions.length,
    bytes: distributions.reduce((sum, { file }) => sum + file.sizeBytes, 0),
  })
  const prepared: PreparedFile[] = []
  await inParallel(distributions, LIMITS.transferAtOnce, async (saved) => {
    const item = saved.distribution.filename
    try {
      prepared.push(await prepareFile(saved, { verify: run.dryRun }))
    } catch (error) {
      failItem(report, item, error)
    }
  })
  if (prepared.length === 0) return
  const states = await askFiles(
    transfer,
    prepared.map(({ saved, sha256 }) => ({ file: saved.distribution.filename, sha256 })),
  )
  const asked = prepared.flatMap((one, index) => {
    const state = states[index]
    return state === undefined ? [] : [{ ...one, state }]
  })
  await inParallel(asked, LIMITS.transferAtOnce, async ({ state, ...one }) => {
    const { file, distribution } = one.saved
    const item = distribution.filename
    try {
      const reason = refusalOf(state)
      if (reason !== undefined) report.add({ item, result: 'failed', reason })
      else {
        await sendFile(run, one, state.state === 'here' ? state : undefined)
        report.add({ item, result: state.state === 'here' ? 'there' : 'done', sizeBytes: file.sizeBytes })
      }
    } catch (error) {
      failItem(report, item, error)
    }
    report.moved(file.sizeBytes)
  })
}

/** A large folder is asked about in several questions. */
async function* inGroups<T>(items: AsyncIterable<T>, most: number): AsyncGenerator<readonly T[]> {
  let group: T[] = []
  for await (const item of items) {
    group.push(item)
    if (group.length < most) continue
    yield group
    group = []
  }
  if (group.length > 0) yield group
}
