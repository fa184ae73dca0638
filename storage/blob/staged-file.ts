import { open, rename, unlink, type FileHandle } from 'node:fs/promises'

import type { BlobLocation, ByteRange, StagedBytes } from '../../src/blob-store.ts'
import { LIMITS } from '../../src/limits.ts'
import { isMissing, translated } from '../fs-errors.ts'

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
  const writer = fileWriter(file)
  let state: 'open' | 'published' | 'disposed' = 'open'

  function demandOpen(): void {
    if (state !== 'open') throw new Error(`these bytes are ${state} already`)
  }

  return {
    async write(bytes) {
      demandOpen()
      await translated(() => writer.write(bytes))
    },
    async read(range) {
      demandOpen()
      return translated(() => readBack(file, writer, range))
    },
    async publish(location) {
      demandOpen()
      await translated(async () => {
        await writer.finish()
        const target = await moveInto(path, location, publication)
        state = 'published'
        await publication.settle(target)
      })
    },
    async [Symbol.asyncDispose]() {
      if (state === 'disposed') return
      const leftover = state === 'open'
      state = 'disposed'
      await writer.abandon()
      await translated(async () => {
        await file.close()
        if (leftover) await unlink(path)
      })
    },
  }
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

async function readBack(file: FileHandle, writer: FileWriter, { start, end }: ByteRange): Promise<Uint8Array> {
  await writer.flush()
  const target = new Uint8Array(end - start)
  let filled = 0
  while (filled < target.byteLength) {
    const { bytesRead } = await file.read(target, filled, target.byteLength - filled, start + filled)
    if (bytesRead === 0) break
    filled += bytesRead
  }
  return target.subarray(0, filled)
}

interface FileWriter {
  write(bytes: Uint8Array): Promise<void>
  /** Hand everything to the file. */
  flush(): Promise<void>
  /** Flush, and wait until the disk has it. */
  finish(): Promise<void>
  /** Wait for what is under way, whatever becomes of it: a handle is not closed under a write. */
  abandon(): Promise<void>
}

/** Appends in order, with one write and one sync under way at most; an error of either comes out at the next call. */
function fileWriter(file: FileHandle): FileWriter {
  let gathered: Uint8Array | undefined
  let spare: Uint8Array | undefined
  let filled = 0
  let position = 0
  let unsynced = 0
  let writing = Promise.resolve()
  let syncing = Promise.resolve()

  async function append(bytes: Uint8Array): Promise<void> {
    for (let offset = 0; offset < bytes.byteLength;) {
      const { bytesWritten } = await file.write(bytes, offset, bytes.byteLength - offset, position)
      offset += bytesWritten
      position += bytesWritten
    }
    unsynced += bytes.byteLength
    if (unsynced < LIMITS.syncEveryBytes) return
    // Awaiting the last sync before the next bounds what is dirty to twice the distance.
    await syncing
    unsynced = 0
    syncing = watched(file.datasync())
  }

  async function sendGathered(): Promise<void> {
    await writing
    if (gathered === undefined || filled === 0) return
    const full = gathered
    writing = watched(append(full.subarray(0, filled)))
    gathered = spare
    spare = full
    filled = 0
  }

  async function flush(): Promise<void> {
    await sendGathered()
    await writing
  }

  async function gather(bytes: Uint8Array): Promise<void> {
    for (let offset = 0; offset < bytes.byteLength;) {
      gathered ??= Buffer.allocUnsafeSlow(LIMITS.writeBufferBytes)
      const piece = bytes.subarray(offset, offset + gathered.byteLength - filled)
      gathered.set(piece, filled)
      filled += piece.byteLength
      offset += piece.byteLength
      if (filled === gathered.byteLength) await sendGathered()
    }
  }

  return {
    async write(bytes) {
      if (bytes.byteLength < LIMITS.writeBufferBytes) return gather(bytes)
      await flush()
      await append(bytes)
    },
    flush,
    async finish() {
      await flush()
      await syncing
      await file.datasync()
    },
    async abandon() {
      await Promise.allSettled([writing, syncing])
    },
  }
}

/** A promise that is awaited later; until then its failure must not count as unhandled. */
function watched(promise: Promise<void>): Promise<void> {
  promise.catch(() => {})
  return promise
}
