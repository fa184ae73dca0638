import { openAsBlob } from 'node:fs'
import path from 'node:path'

import { hashMismatch } from '../../protocols/npm/integrity.ts'
import { hereOf, packagePath, tarballFile, type Here } from '../../protocols/npm/push/here.ts'
import { historyOf } from '../../protocols/npm/push/history.ts'
import { parseVerdaccioPackage, type VerdaccioPackage, type VerdaccioVersion } from '../../protocols/npm/verdaccio.ts'
import { inParallel } from '../../src/client/in-parallel.ts'
import { LIMITS } from '../../src/limits.ts'
import { findFile, hashFile, readTextFile, type FoundFile } from '../transfer/import-files.ts'
import { failItem } from '../../src/client/report.ts'
import type { TransferRun } from '../transfer/run.ts'

export interface PackageImport extends TransferRun {
  readonly name: string
  readonly folder: string
  /** Leave out what came from an uplink. */
  readonly onlyHosted: boolean
}

/** A version whose tarball lies in the folder. */
export interface HeldVersion extends VerdaccioVersion {
  readonly file: FoundFile
}

/** Bring one package in: its versions, then what is said of them. Failures of one version are reported, and keep no other back. */
export async function importPackage(task: PackageImport): Promise<void> {
  const { name, folder, report } = task
  let stored: VerdaccioPackage
  try {
    stored = parseVerdaccioPackage(
      name,
      await readTextFile(path.join(folder, 'package.json'), LIMITS.verdaccioDocumentBytesMax),
    )
  } catch (error) {
    return failItem(report, name, error)
  }
  for (const { version, reason } of stored.refused) report.add({ item: `${name}@${version}`, result: 'failed', reason })
  const held = await heldVersions(task, stored)
  if (held.length === 0) return
  try {
    const here = await hereOf(task.transfer, name)
    const done: HeldVersion[] = []
    await inParallel(held, LIMITS.transferAtOnce, async (version) => {
      if (await importVersion(task, version, here)) done.push(version)
    })
    await sendHistory(task, stored, done, here)
  } catch (error) {
    failItem(report, name, error)
  }
}

/** Those whose tarball is there. One that Verdaccio never fetched is none that is missing. */
async function heldVersions(
  { name, folder, report, onlyHosted }: PackageImport,
  stored: VerdaccioPackage,
): Promise<HeldVersion[]> {
  const held: HeldVersion[] = []
  for (const version of stored.versions) {
    if (onlyHosted && version.cached) continue
    const item = `${name}@${version.version}`
    try {
      const file = await findTarball(folder, version)
      if (file !== undefined) held.push({ ...version, file })
      else if (version.expected) report.add({ item, result: 'failed', reason: 'its tarball is missing' })
    } catch (error) {
      failItem(report, item, error)
    }
  }
  return held
}

async function findTarball(folder: string, { files }: VerdaccioVersion): Promise<FoundFile | undefined> {
  for (const file of files) {
    const found = await findFile(path.join(folder, file))
    if (found !== undefined) return found
  }
  return undefined
}

/** Whether the version is in the depot now, or would be. */
async function importVersion(task: PackageImport, version: HeldVersion, here: Here): Promise<boolean> {
  const { name, report } = task
  const item = `${name}@${version.version}`
  const known = here.versions.get(version.version)
  try {
    const wrong = known === undefined ? undefined : hashMismatch(known, version.declared)
    if (wrong !== undefined) throw new Error(`the depot has other bytes under this version: ${wrong}`)
    if (known === undefined) await sendVersion(task, version)
    report.add({ item, result: known === undefined ? 'done' : 'there', sizeBytes: version.file.sizeBytes })
    return true
  } catch (error) {
    failItem(report, item, error)
    return false
  }
}

async function sendVersion({ name, transfer, dryRun }: PackageImport, version: HeldVersion): Promise<void> {
  const { file, manifest, declared } = version
  if (file.sizeBytes > LIMITS.npmTarballBytesMax) throw new Error('its tarball is larger than a depot takes')
  const text = JSON.stringify(manifest)
  const wrong = hashMismatch(await hashFile(file.path, ['sha1', 'sha256', 'sha512']), declared)
  if (wrong !== undefined) throw new Error(`its tarball is damaged: ${wrong}`)
  if (dryRun) return
  const at = packagePath(name)
  const tarball = `${at}/-/${tarballFile(name, version.version)}` as const
  await transfer.send({ method: 'PUT', path: tarball, body: () => openAsBlob(file.path) })
  await transfer.send({ method: 'PUT', path: `${at}/${version.version}`, body: () => text })
}

async function sendHistory(
  { name, transfer, report, dryRun }: PackageImport,
  stored: VerdaccioPackage,
  done: readonly HeldVersion[],
  here: Here,
): Promise<void> {
  const versions = done.map((version) => ({ ...version, fileMs: version.file.modifiedMs }))
  const { history, kept } = historyOf({ elsewhere: stored, done: versions, here, now: Date.now() })
  for (const { tag, version } of kept) {
    const reason = `it stays at ${version}, which was published to the depot`
    report.add({ item: `the tag ${tag} of ${name}`, result: 'left out', reason })
  }
  if (history === undefined || dryRun) return
  const at = `/npm/-/packages/${encodeURIComponent(name)}/history` as const
  await transfer.send({ method: 'PUT', path: at, body: () => JSON.stringify(history) })
}
