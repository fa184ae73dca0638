import { inParallel } from '../../../src/client/in-parallel.ts'
import { failItem } from '../../../src/client/report.ts'
import type { PushRun } from '../../../src/client/runs.ts'
import type { SavedFiles } from '../../../src/client/saved-files.ts'
import type { Transfer } from '../../../src/client/transfer.ts'
import { hasCode } from '../../../src/errors.ts'
import type { MaybePromise } from '../../../src/kv-store.ts'
import { LIMITS } from '../../../src/limits.ts'

/** A small file of a binary cache that a depot takes as it is: the log of a build, a realisation. */
export interface Note {
  /** Below the cache. */
  readonly path: string
  readonly sizeBytes: number
  blob(): MaybePromise<Blob>
}

const FOLDERS = ['log', 'realisations', 'build-trace-v2']

/** The notes of a folder that is a binary cache. */
export async function* savedNotes(files: SavedFiles): AsyncGenerator<Note> {
  for (const folder of FOLDERS) yield* files.list(folder)
}

/** Bring notes into a depot, after the paths that they are about. @throws DepotError what ends a transfer */
export async function pushNotes(
  { transfer, report, dryRun }: Pick<PushRun, 'transfer' | 'report' | 'dryRun'>,
  notes: Iterable<Note> | AsyncIterable<Note>,
): Promise<void> {
  await inParallel(notes, LIMITS.transferAtOnce, async ({ path, sizeBytes, blob }) => {
    const to = `/nix/${path.split('/').map(encodeURIComponent).join('/')}` as const
    try {
      if (await isThere(transfer, to)) return report.add({ item: path, result: 'there' })
      if (!dryRun) {
        const content = await blob()
        await transfer.send({ method: 'PUT', path: to, body: () => content })
      }
      report.add({ item: path, result: 'done', sizeBytes })
    } catch (error) {
      failItem(report, path, error)
    }
  })
}

async function isThere(transfer: Transfer, path: `/${string}`): Promise<boolean> {
  try {
    await transfer.send({ method: 'HEAD', path })
    return true
  } catch (error) {
    if (hasCode(error, 'NOT_FOUND')) return false
    throw error
  }
}
