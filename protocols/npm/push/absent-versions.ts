import type { SavedAbsence } from '../../../src/client/saved-absence.ts'
import type { Transfer } from '../../../src/client/transfer.ts'
import { parsePackageName } from '../package-name.ts'
import { versionKey } from '../records.ts'
import { tarballVersion } from '../tarball-name.ts'
import { askVersions } from './ask-versions.ts'

/** Of tarballs that lie elsewhere, by path, those whose versions a depot has not. @throws DepotError */
export async function absentVersions(
  transfer: Transfer,
  files: readonly { readonly path: string }[],
): Promise<readonly SavedAbsence[]> {
  const asked = files.flatMap(({ path }) => {
    const { name = '', file = '' } = TARBALL.exec(path)?.groups ?? {}
    const version = tarballVersion(name, file)
    return version === undefined || parsePackageName(name) === undefined ? [] : [{ path, name, version }]
  })
  if (asked.length === 0) return []
  const { missing, deleted } = await askVersions(
    transfer,
    asked.map(({ name, version }) => ({ name, version })),
  )
  return asked.flatMap(({ path, name, version }): readonly SavedAbsence[] => {
    const key = versionKey(name, version)
    if (deleted.has(key)) return [{ path, reason: `${key} was deleted from the depot` }]
    return missing.has(key) ? [{ path, reason: undefined }] : []
  })
}

const TARBALL = /^(?<name>(?:@[^/]+\/)?[^/]+)\/(?<file>.+\.tgz)$/
