import { createHash } from 'node:crypto'
import { readdir, rename, rm, unlink, type FileHandle } from 'node:fs/promises'
import path from 'node:path'

import { parseSavedPath, type Algorithm, type Receiving, type SavedFolder } from '../client/saved-files.ts'
import { translated } from './disk-errors.ts'
import { durableDirectories, makeDirectoryDurably, syncDirectory } from './durable-directories.ts'
import { openPlain } from './file-pieces.ts'
import { lockFolder } from './folder-lock.ts'
import { digestsOf, hashesFor, hashHandle, handlePieces, type HashedHandle } from './hash-handle.ts'
import { makeOwnFolder, openPartial, removeFile, requirePlainFolders } from './own-files.ts'
import { savedFiles } from './saved-files.ts'

/**
 * Open a folder to fill it; it is made when it is not there.
 *
 * @throws DepotError `CONFLICT` when another process fills it, `STORAGE_FULL`, `STORAGE_DOWN`
 */
export async function openSavedFolder(root: string): Promise<SavedFolder> {
  const lock = await translated(root, async () => {
    await makeDirectoryDurably(root)
    return lockFolder(root)
  })
  const directories = durableDirectories(root)
  const partials = path.join(root, PARTIAL)
  let made: Promise<void> | undefined
  const makePartials = (): Promise<void> => (made ??= makeOwnFolder(partials))

  /** Everything that is to be there when `publish` has returned. */
  async function settle(handle: FileHandle, from: string, at: string): Promise<void> {
    const target = path.join(root, at)
    await handle.datasync()
    await requirePlainFolders(root, at)
    await directories.make(path.dirname(target))
    await rename(from, target)
    await syncDirectory(path.dirname(target))
  }

  async function write(at: string, content: string | Uint8Array): Promise<void> {
    const from = path.join(partials, partialName(parseSavedPath(at)))
    await makePartials()
    await using handle = await openPartial(from)
    await handle.truncate(0)
    await handle.writeFile(content)
    await settle(handle, from, at)
  }

  async function receive(at: string, algorithms: readonly Algorithm[]): Promise<Receiving> {
    const from = path.join(partials, partialName(parseSavedPath(at)))
    await makePartials()
    await using opened = new AsyncDisposableStack()
    const handle = opened.use(await openPartial(from))
    const there = await hashHandle(handle, algorithms)
    opened.move()
    const forget = (): Promise<void> => unlink(from)
    return receiving(root, handle, there, { algorithms, settle: () => settle(handle, from, at), forget })
  }

  return {
    ...savedFiles(root),
    write: (at, content) => translated(root, () => write(at, content)),
    receive: (at, algorithms) => translated(root, () => receive(at, algorithms)),
    remove: (at) => translated(root, () => removeFile(root, parseSavedPath(at))),
    async hash(at, algorithms) {
      await using handle = await openPlain(path.join(root, parseSavedPath(at)))
      return digestsOf((await hashHandle(handle, algorithms)).running)
    },
    async [Symbol.asyncDispose]() {
      // What is left of a run that was stopped stays for the next one.
      if ((await readdir(partials).catch(() => [])).length === 0) await rm(partials, { recursive: true, force: true })
      await lock[Symbol.asyncDispose]()
    },
  }
}

/** No saved file has a name that begins with a dot. */
const PARTIAL = '.partial'

/** One for each path, so that the next run finds it. */
function partialName(at: string): string {
  return createHash('sha256').update(at).digest('hex')
}

interface Target {
  readonly algorithms: readonly Algorithm[]
  settle(): Promise<void>
  /** Nothing is worth keeping. */
  forget(): Promise<void>
}

function receiving(root: string, handle: FileHandle, there: HashedHandle, target: Target): Receiving {
  const { algorithms, settle, forget } = target
  let { sizeBytes, running } = there
  let published = false
  return {
    get sizeBytes() {
      return sizeBytes
    },
    write: (bytes) =>
      translated(root, async () => {
        for (const hash of running.values()) hash.update(bytes)
        for (let at = 0; at < bytes.length;) {
          const { bytesWritten } = await handle.write(bytes, at, bytes.length - at, sizeBytes + at)
          at += bytesWritten
        }
        sizeBytes += bytes.length
      }),
    restart: () =>
      translated(root, async () => {
        await handle.truncate(0)
        sizeBytes = 0
        running = hashesFor(algorithms)
      }),
    hashes: () => digestsOf(running),
    content: () => handlePieces(handle),
    publish: () =>
      translated(root, async () => {
        await settle()
        published = true
      }),
    async [Symbol.asyncDispose]() {
      await handle.close()
      if (!published && sizeBytes === 0) await forget()
    },
  }
}
