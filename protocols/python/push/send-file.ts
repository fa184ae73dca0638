import type { PushRun } from '../../../src/client/runs.ts'
import type { Transfer } from '../../../src/client/transfer.ts'
import { DepotError } from '../../../src/errors.ts'
import type { FileEntry } from '../file-entry.ts'
import { INTEGRITY_TYPE } from '../provenance.ts'
import { entryPath, filePath, provenancePath } from './paths.ts'
import type { FileHere } from './ask-files.ts'
import { provenanceOf, requireSha256, sha256Of, type PreparedFile } from './prepare-file.ts'

/**
 * Send of a distribution what the depot lacks: the file first, then what stands beside it.
 *
 * @throws DepotError when the bytes are not what was promised, and what the depot says against it
 */
export async function sendFile(run: PushRun, prepared: PreparedFile, here: FileHere | undefined): Promise<void> {
  const { saved, sha256, verified, entry, provenance } = prepared
  const { distribution, file } = saved
  if (provenance !== undefined && here?.provenance !== undefined && here.provenance !== provenance)
    throw new DepotError('CONFLICT', 'the depot has another provenance of it, which only an admin replaces')
  if (run.dryRun) return
  const { transfer } = run
  if (here === undefined) {
    // The same Blob: it cannot be read any more once its file has changed.
    const content = await file.blob()
    if (!verified) requireSha256(await sha256Of(content), sha256)
    await transfer.send({ method: 'PUT', path: filePath(distribution), body: () => content })
  }
  const lacking = entry && lackingEntry(entry, here)
  if (lacking !== undefined) await sendEntry(transfer, prepared, lacking)
  const text = here?.provenance === undefined ? await provenanceOf(prepared) : undefined
  if (text !== undefined)
    await transfer.send({
      method: 'PUT',
      path: provenancePath(distribution),
      contentType: INTEGRITY_TYPE,
      body: () => text,
    })
}

/** What an entry says and a depot does not know; undefined when there is nothing. */
type Lacking = Pick<FileEntry, 'upload-time' | 'yanked' | 'requires-python'>

/**
 * The first upload counts, so nothing becomes younger. Who runs the depot may have yanked a file that its index has not: that stays.
 */
function lackingEntry(entry: FileEntry, here: FileHere | undefined): Lacking | undefined {
  const { yanked, 'upload-time': uploadTime, 'requires-python': requiresPython } = entry
  const isYanked = yanked !== undefined && yanked !== null && yanked !== false
  const isOlder =
    typeof uploadTime === 'string' && (here === undefined || Date.parse(uploadTime) < Date.parse(here.uploadTime))
  const hasPythons = typeof requiresPython === 'string' && requiresPython !== '' && here?.requiresPython !== true
  const lacking: Lacking = {
    ...(isOlder ? { 'upload-time': uploadTime } : {}),
    ...(isYanked && (here === undefined || here.yanked === false) ? { yanked } : {}),
    ...(hasPythons ? { 'requires-python': requiresPython } : {}),
  }
  return Object.keys(lacking).length === 0 ? undefined : lacking
}

async function sendEntry(transfer: Transfer, { saved, sha256 }: PreparedFile, lacking: Lacking): Promise<void> {
  const { distribution, file } = saved
  const entry = { filename: distribution.filename, hashes: { sha256 }, size: file.sizeBytes, ...lacking }
  await transfer.send({
    method: 'PUT',
    path: entryPath(distribution),
    contentType: 'application/json',
    body: () => JSON.stringify(entry),
  })
}
