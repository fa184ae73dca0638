import { mkdir, open, rm, type FileHandle } from 'node:fs/promises'
import { dirname, join } from 'node:path'

import { isMissing, translated } from '../../fs-errors.ts'
import { fileWriter, readPart, type FileWriter } from '../file-writer.ts'
import { registerInstance, sweepLeftovers } from '../leftovers.ts'

/** A folder of this machine for bytes on their way to somewhere else. */
export interface Spool extends Disposable {
  /** A new file. @throws DepotError `STORAGE_FULL`, `STORAGE_DOWN` */
  create(): Promise<SpooledFile>
}

/** Its bytes need not outlive the process. */
export interface SpooledFile extends Pick<FileWriter, 'write' | 'read'>, AsyncDisposable {
  /** What was written, handed to the file. */
  sizeBytes(): Promise<number>
  /** Fill `target` from `start` on. */
  readInto(target: Uint8Array, start: number): Promise<Uint8Array>
}

/**
 * Open a spool. What processes that are gone left there is removed, then and for as long as it is open.
 *
 * @param existing only look: remove nothing, and make no folder before there is a file for it
 * @throws DepotError `STORAGE_DOWN` when the folder cannot be made or read
 */
export async function openSpool(folder: string, { existing }: { readonly existing: boolean }): Promise<Spool> {
  const sweep = existing ? undefined : await translated(() => prepareFolder(folder))
  const instance = registerInstance()
  return {
    create: () => spooledFile(join(folder, instance.nextName())),
    [Symbol.dispose]() {
      sweep?.[Symbol.dispose]()
      instance[Symbol.dispose]()
    },
  }
}

async function prepareFolder(folder: string): Promise<Disposable> {
  await makeFolder(folder)
  return sweepLeftovers(folder)
}

async function makeFolder(folder: string): Promise<void> {
  await mkdir(folder, { recursive: true, mode: 0o700 })
}

/** Also where there is no folder, on a machine that has no server, or none any more: nothing that was in it is missed. */
async function createFile(path: string): Promise<FileHandle> {
  const create = () => open(path, 'wx+', 0o600)
  return create().catch(async (error: unknown) => {
    if (!isMissing(error)) throw error
    await makeFolder(dirname(path))
    return create()
  })
}

async function spooledFile(path: string): Promise<SpooledFile> {
  const file = await translated(() => createFile(path))
  const writer = fileWriter(file, { durable: false })
  let isClosed = false
  return {
    write: (bytes) => translated(() => writer.write(bytes)),
    read: (range) => translated(() => writer.read(range)),
    readInto: (target, start) => translated(() => readPart(file, target, start)),
    sizeBytes: () =>
      translated(async () => {
        await writer.finish()
        return (await file.stat()).size
      }),
    async [Symbol.asyncDispose]() {
      if (isClosed) return
      isClosed = true
      await writer.abandon()
      await translated(async () => {
        await file.close()
        await rm(path, { force: true })
      })
    },
  }
}
