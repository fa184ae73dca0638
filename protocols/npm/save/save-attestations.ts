import { hasCode } from '../../../src/errors.ts'
import { LIMITS } from '../../../src/limits.ts'
import { savedAttestationsPath } from '../saved-paths.ts'
import type { PackageSave } from './save-package.ts'
import { isMembers, type Members } from './upstream-packument.ts'

/**
 * Save what the registry knows of how a version was made, byte for byte, when its manifest says that there is something. Mirrors pass
 * such manifests on and have nothing behind them, which is no failure of the version.
 */
export async function saveAttestations(save: PackageSave, version: string, dist: Members): Promise<void> {
  const { folder, download, registry, report, name } = save
  const url = registry.attestations(name, dist)
  const path = savedAttestationsPath(name, version)
  if (url === undefined || (await folder.find(path)) !== undefined) return
  const question = { url, accept: 'application/json', bytesMax: LIMITS.npmAttestationsBytesMax }
  const answer = await download.ask(question).catch((error: unknown) => {
    if (hasCode(error, 'BAD_REQUEST')) return { status: 404, text: '' }
    throw error
  })
  if (answer.status === 404) return
  if (isAttestations(answer.text)) return await folder.write(path, answer.text)
  const reason = 'the registry answers with something else'
  report.add({ item: `the provenance of ${name}@${version}`, result: 'left out', reason })
}

function isAttestations(text: string): boolean {
  try {
    const value: unknown = JSON.parse(text)
    return isMembers(value) && Array.isArray(value['attestations'])
  } catch {
    return false
  }
}
