import { open, rename, rm } from 'node:fs/promises'

import type { BlobLocation, StagedBytes } from '../../../src/blobs/blob-store.ts'
import { isMissing, translated } from '../../fs-errors.ts'
import { fileWriter } from '../file-writer.ts'
import { stagedBytes } from '../staged-bytes.ts'

/** How a staged file becomes a blob. */
export interface Publication {
  /** Make the directory of the location, durably, and tell the path of the file. */
  prepare(location: BlobLocation): Promise<string>
  /** Make the rename into that path durable. */
  settle(target: string): Promise<void>
  /** The directory was not there after all. */
  forget(): void
}

/**
 * Bytes staged in a new file at `path`, which is on the volume of the store, or the rename would not be atomic. Small pieces
 * are gathered, and written while the next ones arrive.
 */
export async function stageFile(path: string, publication: Publication): Promise<StagedBytes> {
  // The mode is that of the published blob: nobody changes one. It binds later opens, not this handle.
  const file = await translated(() => open(path, 'wx+', 0o444))
  const writer = fileWriter(file, { durable: true })
  return stagedBytes({
    write: (bytes) => translated(() => writer.write(bytes)),
    read: (range) => translated(() => writer.read(range)),
    publish: (location) =>
      translated(async () => {
        await writer.finish()
        await publication.settle(await moveInto(path, location, publication))
      }),
    async end(isLeft) {
      await writer.abandon()
      await translated(async () => {
        await file.close()
        // It has moved already where only its new directory could not be made durable.
        if (isLeft) await rm(path, { force: true })
      })
    },
  })
}

async function moveInto(path: string, location: BlobLocation, publication: Publication): Promise<string> {
  const target = await publication.prepare(location)
  try {
    await rename(path, target)
    return target
  } catch (error) {
    if (!isMissing(error)) throw error
    // Somebody removed the directory that we made and remembered: make it again, once.
    publication.forget()
    await rename(path, await publication.prepare(location))
    return target
  }
}
