import { createHash, type Hash } from 'node:crypto'
import { constants, openAsBlob } from 'node:fs'
import { open, readdir, rename, rm, unlink, type FileHandle } from 'node:fs/promises'
import path from 'node:path'

import {
  parseSavedPath,
  type Algorithm,
  type Hashes,
  type Receiving,
  type SavedFile,
  type SavedFiles,
  type SavedFolder,
} from '../client/saved-files.ts'
import { DepotError } from '../errors.ts'
import { systemCode } from '../thrown.ts'
import { lockFolder } from './folder-lock.ts'
import { translated } from './disk-errors.ts'
import { durableDirectories, makeDirectoryDurably, syncDirectory } from './durable-directories.ts'
import { isMissing, makeOwnFolder, openPartial, removeFile, requirePlainFolders } from './own-files.ts'

/** Read a folder that was saved, or that came by `rsync`. Links in it are not followed: they may lead anywhere. */
export function savedFiles(root: string): SavedFiles {
  return {
    async *list(folder) {
      yield* walk(root, folder === undefined ? [] : parseSavedPath(folder).split('/'))
    },
    find: (at) => fileAt(root, parseSavedPath(at)),
  }
}

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
    const handle = await openPartial(from)
    const there = await hashHandle(handle, algorithms)
    const forget = (): Promise<void> => unlink(from)
    return receiving(root, handle, there, { algorithms, settle: () => settle(handle, from, at), forget })
  }

  return {
    ...savedFiles(root),
    write: (at, content) => translated(root, () => write(at, content)),
    receive: (at, algorithms) => translated(root, () => receive(at, algorithms)),
    remove: (at) => translated(root, () => removeFile(root, parseSavedPath(at))),
    async hash(at, algorithms) {
      const handle = await openPlain(path.join(root, parseSavedPath(at)))
      if (handle === undefined) throw new DepotError('NOT_FOUND', `${at} is not in ${root}`)
      await using file = handle
      return digests((await hashHandle(file, algorithms)).running)
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

interface Running {
  sizeBytes: number
  running: ReadonlyMap<Algorithm, Hash>
}

interface Target {
  readonly algorithms: readonly Algorithm[]
  settle(): Promise<void>
  /** Nothing is worth keeping. */
  forget(): Promise<void>
}

function receiving(root: string, handle: FileHandle, there: Running, target: Target): Receiving {
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
        running = started(algorithms)
      }),
    hashes: () => digests(running),
    content: () => piecesOf(handle),
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

function started(algorithms: readonly Algorithm[]): ReadonlyMap<Algorithm, Hash> {
  return new Map(algorithms.map((algorithm) => [algorithm, createHash(algorithm)]))
}

function digests(running: ReadonlyMap<Algorithm, Hash>): Hashes {
  return Object.fromEntries([...running].map(([algorithm, hash]) => [algorithm, hash.copy().digest('hex')]))
}

async function hashHandle(handle: FileHandle, algorithms: readonly Algorithm[]): Promise<Running> {
  const running = started(algorithms)
  let sizeBytes = 0
  for await (const piece of piecesOf(handle)) {
    for (const hash of running.values()) hash.update(piece)
    sizeBytes += piece.length
  }
  return { sizeBytes, running }
}

/** From the beginning; the file stays open. */
async function* piecesOf(handle: FileHandle): AsyncGenerator<Uint8Array> {
  const { size } = await handle.stat()
  // Most files are small: as many large buffers would be collected all the time.
  const highWaterMark = Math.min(PIECE_BYTES, size + 1)
  for await (const piece of handle.createReadStream({ start: 0, autoClose: false, highWaterMark }))
    yield piece as Buffer
}

const PIECE_BYTES = 1 << 20

/** In the order of their bytes: names of one folder are sorted with a `/` behind those of folders. */
async function* walk(root: string, names: readonly string[]): AsyncGenerator<SavedFile> {
  const entries = await readdir(path.join(root, ...names), { withFileTypes: true }).catch((error: unknown) => {
    if (isMissing(error)) return []
    throw error
  })
  const named = entries
    .filter((entry) => !entry.name.startsWith('.') && (entry.isFile() || entry.isDirectory()))
    .map((entry) => ({ entry, order: Buffer.from(entry.isDirectory() ? `${entry.name}/` : entry.name) }))
    .sort((a, b) => a.order.compare(b.order))
  for (const { entry } of named) {
    const inner = [...names, entry.name]
    if (entry.isDirectory()) yield* walk(root, inner)
    else {
      const found = await fileAt(root, inner.join('/'))
      if (found !== undefined) yield found
    }
  }
}

async function fileAt(root: string, at: string): Promise<SavedFile | undefined> {
  const file = path.join(root, at)
  const handle = await openPlain(file)
  if (handle === undefined) return undefined
  await using held = handle
  const { size, mtimeMs } = await held.stat()
  return { path: at, sizeBytes: size, modifiedMs: mtimeMs, blob: () => openAsBlob(file) }
}

/** A plain file; undefined for anything else. It does not wait for the other end of a pipe that somebody put there. */
async function openPlain(file: string): Promise<FileHandle | undefined> {
  const handle = await open(file, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK).catch(
    (error: unknown) => {
      if (isMissing(error) || systemCode(error) === 'ELOOP') return undefined
      throw error
    },
  )
  if (handle === undefined || (await handle.stat()).isFile()) return handle
  await handle.close()
  return undefined
}
