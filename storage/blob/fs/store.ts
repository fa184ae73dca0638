import { closeSync, constants, openSync, readSync } from 'node:fs'
import { access, mkdir, open, stat, statfs, unlink } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'

import type { BlobLocation, BlobStore, Space, StoredBytes } from '../../../src/blobs/blob-store.ts'
import { DepotError } from '../../../src/errors.ts'
import { askedOnce } from '../../../src/within.ts'
import { durableDirectories, makeDirectoryDurably, syncDirectory } from '../../../src/node/durable-directories.ts'
import { isMissing, storageError, translated } from '../../fs-errors.ts'
import { listLocations } from './list.ts'
import { registerInstance, sweepLeftovers } from '../leftovers.ts'
import { checkLocation } from '../location.ts'
import { stageFile, type Publication } from './staged-file.ts'

export interface FsBlobStoreOptions {
  /** Directory of the store, made when it is not there. On one volume: publishing is a rename out of `<root>/tmp`. */
  readonly root: string
  /** Only look at what is there: make no directory, and leave alone what another process has staged. */
  readonly existing?: boolean
}

/**
 * Blobs as read-only files at `<root>/<location>`. What a killed process had staged is removed here, at the next start.
 *
 * @throws DepotError `STORAGE_DOWN` when the directory cannot be made or read.
 */
export async function openFsBlobStore(options: FsBlobStoreOptions): Promise<BlobStore> {
  const root = resolve(options.root)
  const staging = join(root, 'tmp')
  const sweep = options.existing === true ? undefined : await translated(() => prepareRoot(root, staging))
  const instance = registerInstance()
  const pathOf = (location: BlobLocation) => join(root, checkLocation(location))
  const publication = publishInto(root, pathOf)
  // Nothing ends a call into a mount that hangs: each would keep a thread of the pool, which has few.
  const look = askedOnce(() => translated(() => lookAt(staging)))

  return {
    stage: () => stageFile(join(staging, instance.nextName()), publication),
    open: async (location) => openStored(pathOf(location)),
    readInline: (location, sizeBytes) => readWhole(pathOf(location), sizeBytes),
    stat: async (location) => sizeOf(pathOf(location)),
    delete: async (location) => translated(() => removed(pathOf(location))),
    list: (prefix, after) => translatedList(listLocations(root, prefix, after)),
    async ping() {
      await look()
    },
    space: look,
    async [Symbol.asyncDispose]() {
      sweep?.[Symbol.dispose]()
      instance[Symbol.dispose]()
    },
  }
}

async function prepareRoot(root: string, staging: string): Promise<Disposable> {
  await makeDirectoryDurably(root)
  await mkdir(staging, { recursive: true })
  return sweepLeftovers(staging)
}

function publishInto(root: string, pathOf: (location: BlobLocation) => string): Publication {
  const directories = durableDirectories(root)
  return {
    async prepare(location) {
      const target = pathOf(location)
      await directories.make(dirname(target))
      return target
    },
    settle: (target) => syncDirectory(dirname(target)),
    forget: () => directories.forget(),
  }
}

async function openStored(path: string): Promise<StoredBytes> {
  const file = await open(path, 'r').catch((error: unknown) => {
    throw isMissing(error) ? new DepotError('NOT_FOUND', 'not found', { cause: error }) : storageError(error)
  })
  try {
    const { size } = await file.stat()
    return {
      sizeBytes: size,
      read: async (target, offset) =>
        (await translated(() => file.read(target, 0, target.byteLength, offset))).bytesRead,
      // The handle itself waits for reads under way and may be closed twice.
      [Symbol.asyncDispose]: () => file.close(),
    }
  } catch (error) {
    await file.close()
    throw storageError(error)
  }
}

/** One read of a byte more than wanted tells the size too: of a regular file, a short read means its end. */
function readWhole(path: string, sizeBytes: number): Uint8Array | undefined {
  let descriptor: number | undefined
  try {
    descriptor = openSync(path, 'r')
    const buffer = Buffer.allocUnsafe(sizeBytes + 1)
    return readSync(descriptor, buffer, 0, sizeBytes + 1, 0) === sizeBytes ? buffer.subarray(0, sizeBytes) : undefined
  } catch {
    return undefined // the slow way meets the same error and names it
  } finally {
    if (descriptor !== undefined) closeSync(descriptor)
  }
}

async function sizeOf(path: string): Promise<{ sizeBytes: number } | undefined> {
  try {
    return { sizeBytes: (await stat(path)).size }
  } catch (error) {
    if (isMissing(error)) return undefined
    throw storageError(error)
  }
}

/** A write begins in this folder; the system tells of one that has gone, of one that is not ours, and of a volume that may only be read. */
async function lookAt(path: string): Promise<Space> {
  await access(path, constants.W_OK | constants.X_OK)
  const { bavail, blocks, bsize } = await statfs(path)
  return { freeBytes: bavail * bsize, sizeBytes: blocks * bsize }
}

async function removed(path: string): Promise<void> {
  await unlink(path).catch((error: unknown) => {
    if (!isMissing(error)) throw error
  })
}

async function* translatedList(locations: AsyncIterable<BlobLocation>): AsyncGenerator<BlobLocation> {
  try {
    yield* locations
  } catch (error) {
    throw storageError(error)
  }
}
