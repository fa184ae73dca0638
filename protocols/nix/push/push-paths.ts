import { inParallel } from '../../../src/client/in-parallel.ts'
import { failItem } from '../../../src/client/report.ts'
import type { PushRun } from '../../../src/client/runs.ts'
import { LIMITS } from '../../../src/limits.ts'
import type { PathFacts } from '../closure/path-source.ts'
import { nix32OfHex } from '../nix32.ts'
import { printStorePath } from '../store-path.ts'
import { archiveUnits } from './archive-units.ts'
import { askHeld } from './ask-held.ts'
import { narinfoSender } from './narinfo-sender.ts'
import type { PushSource } from './push-source.ts'
import { sendArchives } from './send-archives.ts'

export type PathRun = Pick<PushRun, 'transfer' | 'report' | 'dryRun'>

/** What is sent, and how. */
export interface PathPush {
  readonly source: PushSource
  /** References before what refers to them. */
  readonly paths: readonly PathFacts[]
  /** Compress on the way: over anything but the machine's own network a byte costs more than the processor. */
  readonly compress: boolean
}

/**
 * Bring store paths into a depot: ask once which it has, send the archives that it lacks side by side, small ones together, and their
 * narinfos behind them. A path that somebody else sends meanwhile is there; one that the depot has with another archive has failed.
 *
 * @throws DepotError what ends a transfer
 */
export async function pushPaths(run: PathRun, { source, paths, compress }: PathPush): Promise<void> {
  const { report, transfer, dryRun } = run
  report.expect({ items: paths.length })
  const held = await askHeld(transfer, paths)
  const sending = paths.filter((facts) => held.missing.has(facts))
  for (const facts of paths) {
    const item = printStorePath(facts.baseName)
    if (held.other.has(facts)) report.add({ item, result: 'failed', reason: otherArchive(facts) })
    else if (!held.missing.has(facts)) report.add({ item, result: 'there' })
  }
  if (dryRun) return readAll(run, source, sending)
  const narinfos = narinfoSender(run, sending)
  for (const narHash of held.archives) narinfos.settle(narHash)
  const units = archiveUnits(sending, held.archives)
  for (const unit of units)
    report.expect({ bytes: unit.paths.reduce((sum, { narSizeBytes }) => sum + narSizeBytes, 0) })
  await sendArchives({ run, source, compress, narinfos }, units)
  await narinfos.end()
}

function otherArchive({ narHash }: PathFacts): string {
  return `the depot holds it with another content than sha256:${nix32OfHex(narHash)}, and keeps that: the build is not reproducible. Copy the path from the depot to here, or have it deleted there first`
}

/** Verify what would be sent. */
async function readAll({ report }: PathRun, source: PushSource, paths: readonly PathFacts[]): Promise<void> {
  report.expect({ bytes: paths.reduce((sum, { narSizeBytes }) => sum + narSizeBytes, 0) })
  await inParallel(paths, LIMITS.framesInFlight, async (facts) => {
    const item = printStorePath(facts.baseName)
    try {
      for await (const piece of source.nar(facts)) report.moved(piece.byteLength)
      report.add({ item, result: 'done', sizeBytes: facts.narSizeBytes })
    } catch (error) {
      failItem(report, item, error)
    }
  })
}
