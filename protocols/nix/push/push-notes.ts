import { inParallel } from '../../../src/client/in-parallel.ts'
import { failItem } from '../../../src/client/report.ts'
import type { PushRun } from '../../../src/client/runs.ts'
import type { SavedFile } from '../../../src/client/saved-files.ts'
import type { Transfer } from '../../../src/client/transfer.ts'
import { hasCode } from '../../../src/errors.ts'
import { LIMITS } from '../../../src/limits.ts'

/** Folders of a binary cache whose files a depot takes as they are. */
const FOLDERS = ['log', 'realisations', 'build-trace-v2']

/** Bring the logs of builds and the realisations of a folder into a depot, after the paths that they are about. */
export async function pushNotes({ files, transfer, report, dryRun }: PushRun): Promise<void> {
  for (const folder of FOLDERS)
    await inParallel(files.list(folder), LIMITS.transferAtOnce, async (file) => {
      const path = `/nix/${file.path.split('/').map(encodeURIComponent).join('/')}` as const
      try {
        if (await isThere(transfer, path)) return report.add({ item: file.path, result: 'there' })
        if (!dryRun) await send(transfer, path, file)
        report.add({ item: file.path, result: 'done', sizeBytes: file.sizeBytes })
      } catch (error) {
        failItem(report, file.path, error)
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

async function send(transfer: Transfer, path: `/${string}`, file: SavedFile): Promise<void> {
  const blob = await file.blob()
  await transfer.send({ method: 'PUT', path, body: () => blob })
}
