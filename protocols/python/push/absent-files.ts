import type { SavedAbsence } from '../../../src/client/saved-absence.ts'
import type { Transfer } from '../../../src/client/transfer.ts'
import { LIMITS } from '../../../src/limits.ts'
import { recognise } from '../wheelhouse.ts'
import { askFiles, refusalOf } from './ask-files.ts'

/** Of distributions that lie elsewhere, by path and sha256 in hex, those that a depot has not, or not with these bytes. @throws DepotError */
export async function absentFiles(
  transfer: Transfer,
  files: readonly { readonly path: string; readonly sha256: string }[],
): Promise<readonly SavedAbsence[]> {
  const asked = files
    .map(({ path, sha256 }) => ({ path, sha256, file: path.slice(path.lastIndexOf('/') + 1) }))
    .filter(({ file }) => 'distribution' in recognise(file))
  const absent: SavedAbsence[] = []
  for (let at = 0; at < asked.length; at += LIMITS.pythonMissingFilesMax) {
    const some = asked.slice(at, at + LIMITS.pythonMissingFilesMax)
    for (const [index, state] of (await askFiles(transfer, some)).entries()) {
      const { path = '' } = some[index] ?? {}
      if (state.state !== 'here') absent.push({ path, reason: refusalOf(state) })
    }
  }
  return absent
}
