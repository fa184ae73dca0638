import { createHash } from 'node:crypto'

import type { PushRun } from '../../../src/client/runs.ts'
import type { SavedFile } from '../../../src/client/saved-files.ts'
import { DepotError } from '../../../src/errors.ts'
import { LIMITS } from '../../../src/limits.ts'
import { hashMismatch, type TarballHashes } from '../integrity.ts'
import { versionKey } from '../records.ts'
import { packagePath, tarballFile } from './here.ts'
import type { HeldVersion } from './saved-packages.ts'

/**
 * Check a version's tarball against what its manifest promises, and send it: the tarball, what is known of how it was made, the manifest.
 *
 * @throws DepotError, Error for a tarball that is damaged
 */
export async function sendVersion(
  { transfer, report, dryRun }: PushRun,
  name: string,
  { version, manifest, declared, tarball, attestations }: HeldVersion,
): Promise<void> {
  if (tarball.sizeBytes > LIMITS.npmTarballBytesMax)
    throw new DepotError('TOO_LARGE', 'its tarball is larger than a depot takes')
  if (declared.integrity === undefined && declared.shasum === undefined)
    throw new DepotError('CONTENT_MISMATCH', 'its metadata promises no digest of its tarball')
  const text = JSON.stringify(manifest)
  const wrong = hashMismatch(await hashesOf(tarball), declared)
  if (wrong !== undefined)
    throw new DepotError('CONTENT_MISMATCH', `its tarball is damaged: ${wrong}. Delete the file, and save again`)
  if (dryRun) return
  const at = packagePath(name)
  await transfer.send({
    method: 'PUT',
    path: `${at}/-/${tarballFile(name, version)}`,
    body: () => tarball.blob(),
  })
  report.moved(tarball.sizeBytes)
  if (attestations !== undefined) await sendAttestations({ transfer }, name, version, attestations)
  await transfer.send({ method: 'PUT', path: `${at}/${version}`, body: () => text })
}

/** Send what a registry answers about a version's provenance, as it was saved. @throws DepotError */
export async function sendAttestations(
  { transfer }: Pick<PushRun, 'transfer'>,
  name: string,
  version: string,
  file: SavedFile,
): Promise<void> {
  if (file.sizeBytes > LIMITS.npmAttestationsBytesMax)
    throw new DepotError('TOO_LARGE', 'what is said of its provenance is larger than a depot takes')
  const spec = encodeURIComponent(versionKey(name, version))
  await transfer.send({ method: 'PUT', path: `/npm/-/npm/v1/attestations/${spec}`, body: () => file.blob() })
}

async function hashesOf(file: SavedFile): Promise<TarballHashes> {
  const [sha1, sha256, sha512] = [createHash('sha1'), createHash('sha256'), createHash('sha512')]
  for await (const piece of (await file.blob()).stream()) for (const hash of [sha1, sha256, sha512]) hash.update(piece)
  return { sha1: sha1.digest('hex'), sha256: sha256.digest('hex'), sha512: sha512.digest('hex') }
}
