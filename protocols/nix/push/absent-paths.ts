import { inParallel } from '../../../src/client/in-parallel.ts'
import type { SavedAbsence } from '../../../src/client/saved-absence.ts'
import type { Transfer } from '../../../src/client/transfer.ts'
import { hasCode } from '../../../src/errors.ts'
import { LIMITS } from '../../../src/limits.ts'
import { STORE_HASH_CLASS } from '../store-path.ts'

/** Of narinfos that lie elsewhere, by path, those of store paths that a depot has not. @throws DepotError */
export async function absentPaths(
  transfer: Transfer,
  files: readonly { readonly path: string }[],
): Promise<readonly SavedAbsence[]> {
  const absent: SavedAbsence[] = []
  const narinfos = files.filter(({ path }) => NARINFO.test(path))
  await inParallel(narinfos, LIMITS.transferAtOnce, async ({ path }) => {
    try {
      await transfer.send({ method: 'HEAD', path: `/nix/${path}` })
    } catch (error) {
      if (!hasCode(error, 'NOT_FOUND')) throw error
      absent.push({ path, reason: undefined })
    }
  })
  return absent
}

const NARINFO = new RegExp(`^${STORE_HASH_CLASS}\\.narinfo$`)
