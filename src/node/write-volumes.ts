import { open, rename, rm, stat, type FileHandle } from 'node:fs/promises'
import path from 'node:path'

import { DepotError } from '../errors.ts'
import { LIMITS } from '../limits.ts'
import { translated } from './disk-errors.ts'
import { makeDirectoryDurably, syncDirectory } from './durable-directories.ts'
import { lockFile } from './folder-lock.ts'
import { lstatOf } from './own-files.ts'
import { volumeName, volumeNumbers } from './volumes.ts'

/** A file that is written from its beginning to its end. Disposing it before its end leaves nothing of it. */
export interface WholeFile extends AsyncDisposable {
  write(bytes: Uint8Array): Promise<void>
  /** All of it was written: make it visible, durably. Returns the names that it has now. */
  finish(): Promise<readonly string[]>
}

/**
 * Write a file, or volumes of it, which appear when all of it is on the disk. The first volume appears last: the others alone are not
 * taken for anything.
 *
 * @param volumeBytes the most that one volume has; undefined for one file
 * @throws DepotError `CONFLICT` when there is one of this name, `STORAGE_FULL`, `STORAGE_DOWN`
 */
export async function writeVolumes(file: string, volumeBytes?: number): Promise<WholeFile> {
  const folder = path.dirname(file)
  await using stack = new AsyncDisposableStack()
  stack.use(
    await translated(folder, async () => {
      await makeDirectoryDurably(folder)
      return lockFile(file)
    }),
  )
  await refuseOthers(file)
  const names: string[] = []
  let handle: FileHandle | undefined
  let left = volumeBytes ?? Infinity
  let finished = false

  async function next(): Promise<FileHandle> {
    if (volumeBytes !== undefined && names.length >= LIMITS.bundleVolumesMax)
      throw new DepotError('TOO_LARGE', `more than ${LIMITS.bundleVolumesMax} volumes: make them larger with --split`)
    await close()
    const name = volumeBytes === undefined ? file : volumeName(file, names.length + 1)
    const opened = await openNew(name + PARTIAL)
    names.push(name)
    left = volumeBytes ?? Infinity
    return opened
  }

  async function close(): Promise<void> {
    const last = handle
    handle = undefined
    if (last === undefined) return
    await using closing = last
    await closing.datasync()
  }

  async function write(bytes: Uint8Array): Promise<void> {
    for (let from = 0; from < bytes.length;) {
      if (left === 0 || names.length === 0) handle = await next()
      const { bytesWritten = 0 } = (await handle?.write(bytes, from, Math.min(left, bytes.length - from))) ?? {}
      from += bytesWritten
      left -= bytesWritten
    }
  }

  const locks = stack.move()
  return {
    write: (bytes) => translated(folder, () => write(bytes)),
    finish: () =>
      translated(folder, async () => {
        await close()
        for (const name of await staleVolumes(file, names)) await rm(name)
        const [first = file, ...others] = names
        for (const name of others) await rename(name + PARTIAL, name)
        await syncDirectory(folder)
        await rename(first + PARTIAL, first)
        await syncDirectory(folder)
        finished = true
        return names
      }),
    async [Symbol.asyncDispose]() {
      await handle?.close()
      handle = undefined
      if (!finished) for (const name of names) await rm(name + PARTIAL, { force: true })
      await locks.disposeAsync()
    },
  }
}

/** @throws DepotError `CONFLICT` for what is there, and for a folder that is in the way */
async function refuseOthers(file: string): Promise<void> {
  for (const name of [file, volumeName(file, 1)])
    if ((await stat(name).catch(() => undefined)) !== undefined)
      throw new DepotError('CONFLICT', `${name} is there already: remove it, or give another name`)
  for (const name of await staleVolumes(file, [])) await refuseFolder(name)
}

/** Whoever had this disk in hands may have put a link there: nothing is written to what it leads to. */
async function openNew(file: string): Promise<FileHandle> {
  await refuseFolder(file)
  await rm(file, { force: true })
  return open(file, 'wx')
}

/** @throws DepotError `CONFLICT` */
async function refuseFolder(file: string): Promise<void> {
  if ((await lstatOf(file))?.isDirectory() === true)
    throw new DepotError('CONFLICT', `${file} is a folder: remove it, or give another name`)
}

const PARTIAL = '.partial'

/** Of a run that was killed while its volumes appeared: the first one never did. They would be taken for a part of this one. */
async function staleVolumes(file: string, names: readonly string[]): Promise<readonly string[]> {
  return (await volumeNumbers(file)).map((number) => volumeName(file, number)).filter((name) => !names.includes(name))
}
