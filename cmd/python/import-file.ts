import { openAsBlob } from 'node:fs'

import type { Distribution } from '../../protocols/python/filename.ts'
import { entryPath, filePath } from '../../protocols/python/push/paths.ts'
import { identityOf } from '../../protocols/python/identity.ts'
import type { DevpiFile } from '../../protocols/python/wheelhouse.ts'
import { LIMITS } from '../../src/limits.ts'
import { findFile, hashFile, type FoundFile } from '../transfer/import-files.ts'
import { failItem } from '../../src/client/report.ts'
import type { TransferRun } from '../transfer/run.ts'
import type { FileHere, ProjectHere } from './import-depot.ts'

export interface FileImport extends TransferRun {
  readonly item: string
  readonly path: string
  readonly distribution: Distribution
  /** What an export of devpi says of the file. */
  readonly devpi: DevpiFile | undefined
  /** What the depot has of a project. */
  readonly here: (project: string) => Promise<ProjectHere>
}

/** Bring one distribution in, then when it was uploaded first. A failure is reported. */
export async function importFile(task: FileImport): Promise<void> {
  const { item, path, distribution, devpi, report } = task
  try {
    const file = await findFile(path)
    if (file === undefined) throw new Error('it is gone')
    if (file.sizeBytes > LIMITS.blobBytesMax) throw new Error('it is larger than a depot takes')
    const { sha256 } = await hashFile(path, ['sha256'])
    if (devpi?.sha256 !== undefined && devpi.sha256 !== sha256) {
      throw new Error(`it is damaged: devpi's list says sha256 ${devpi.sha256}, but it has ${sha256}`)
    }
    const { files, spellings, closed } = await task.here(distribution.project)
    const known = files.get(distribution.filename)
    const spelled = spellings.get(identityOf(distribution))
    if (known === undefined && spelled !== undefined) {
      const bytes = files.get(spelled)?.sha256 === sha256 ? 'the same bytes' : 'other bytes'
      throw new Error(`the depot has it as ${spelled}, with ${bytes}: to installers these are one name`)
    }
    // Asked here, because the refusal of one project, a 403, would end the import of all others.
    if (known === undefined && closed !== undefined)
      throw new Error(`the depot has the project ${closed}: it takes no files`)
    if (known !== undefined && known.sha256 !== sha256) {
      throw new Error(`the depot has another file of this name, with sha256 ${known.sha256}`)
    }
    if (!task.dryRun) await send(task, { ...file, sha256 }, known)
    report.add({ item, result: known === undefined ? 'done' : 'there', sizeBytes: file.sizeBytes })
  } catch (error) {
    failItem(report, item, error)
  }
}

async function send(
  { transfer, distribution, devpi }: FileImport,
  { path, sizeBytes, modifiedMs, sha256 }: FoundFile & { readonly sha256: string },
  known: FileHere | undefined,
): Promise<void> {
  const { filename } = distribution
  if (known === undefined)
    await transfer.send({ method: 'PUT', path: filePath(distribution), body: () => openAsBlob(path) })
  const uploadedMs = devpi?.uploadedMs ?? modifiedMs
  // The first upload counts, and none lies ahead, or before there were any.
  if (uploadedMs < 0 || uploadedMs > Date.now() || (known !== undefined && Date.parse(known.uploadTime) <= uploadedMs))
    return
  const uploadTime = new Date(uploadedMs).toISOString()
  const entry = { filename, hashes: { sha256 }, size: sizeBytes, 'upload-time': uploadTime }
  await transfer.send({ method: 'PUT', path: entryPath(distribution), body: () => JSON.stringify(entry) })
}
