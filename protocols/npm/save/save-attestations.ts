import { isRefusal } from '../../../src/client/fail-saved.ts'
import type { SaveRun } from '../../../src/client/runs.ts'
import { LIMITS } from '../../../src/limits.ts'
import { savedAttestationsPath } from '../saved-paths.ts'
import type { Registry } from './registry.ts'
import { isMembers, type Members } from './upstream-packument.ts'

/** A package that is being saved, and where it comes from. */
interface Attested extends Pick<SaveRun, 'folder' | 'download' | 'report'> {
  readonly registry: Registry
  readonly name: string
}

/**
 * Save what the registry knows of how a version was made, byte for byte, when its manifest says that there is something. Mirrors pass
 * such manifests on and have nothing behind them, which is no failure of the version.
 */
export async function saveAttestations(save: Attested, version: string, dist: Members): Promise<void> {
  const { folder, download, registry, report, name } = save
  const url = registry.attestations(name, dist)
  const path = savedAttestationsPath(name, version)
  if (url === undefined || (await folder.find(path)) !== undefined) return
  const question = { url, accept: 'application/json', bytesMax: LIMITS.npmAttestationsBytesMax }
  const answer = await download.ask(question).catch((error: unknown) => {
    if (isRefusal(error)) return { status: error.status, text: '' }
    throw error
  })
  if (answer.status === 404) return
  if (isAttestations(answer.text)) return await folder.write(path, answer.text)
  const reason = answer.status === 200 ? 'the registry answers with something else' : `it answers ${answer.status}`
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
