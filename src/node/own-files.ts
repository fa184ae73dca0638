import { constants, type Stats } from 'node:fs'
import { lstat, mkdir, open, rm, unlink, type FileHandle } from 'node:fs/promises'
import path from 'node:path'

import { DepotError } from '../errors.ts'
import { systemCode } from '../thrown.ts'

/**
 * Whoever brought a folder here may have put links into it: they lead anywhere. Those on the way to a file below it are refused.
 *
 * @throws DepotError `CONFLICT`
 */
export async function requirePlainFolders(root: string, at: string): Promise<void> {
  const names = at.split('/').slice(0, -1)
  for (const [index] of names.entries()) {
    const folder = path.join(root, ...names.slice(0, index + 1))
    const found = await lstatOf(folder)
    if (found === undefined) return
    if (found.isSymbolicLink()) throw new DepotError('CONFLICT', `${folder} is a link: nothing is written there`)
    if (!found.isDirectory()) throw new DepotError('CONFLICT', `${folder} is no folder: remove it there`)
  }
}

/** Remove a file below a folder; nothing happens when it is not there. @throws DepotError `CONFLICT` for a folder */
export async function removeFile(root: string, at: string): Promise<void> {
  await requirePlainFolders(root, at)
  const file = path.join(root, at)
  const found = await lstatOf(file)
  if (found?.isDirectory() === true) throw new DepotError('CONFLICT', `${file} is a folder: remove it there`)
  if (found !== undefined) await unlink(file)
}

/** Make a folder where unfinished files wait. Nothing in that place is anybody else's: what is no folder goes. */
export async function makeOwnFolder(folder: string): Promise<void> {
  const found = await lstatOf(folder)
  if (found !== undefined && !found.isDirectory()) await unlink(folder)
  await mkdir(folder, { recursive: true })
}

/**
 * Open an unfinished file, to read and to write; it is made when it is not there. Links, hard ones too, would lead to what is not
 * ours, and a pipe would be waited for: they go, as whoever brought the folder here may have put them.
 */
export async function openPartial(file: string): Promise<FileHandle> {
  const found = await lstatOf(file)
  if (found !== undefined && (!found.isFile() || found.nlink > 1)) await rm(file, { recursive: true })
  return open(file, constants.O_RDWR | constants.O_CREAT | constants.O_NOFOLLOW, 0o666)
}

/** What lies there, be it a link; undefined when nothing does. */
export async function lstatOf(file: string): Promise<Stats | undefined> {
  return lstat(file).catch((error: unknown) => {
    if (isMissing(error)) return undefined
    throw error
  })
}

/** Whether an error says that nothing is there. */
export function isMissing(error: unknown): boolean {
  return ['ENOENT', 'ENOTDIR'].includes(systemCode(error) ?? '')
}
