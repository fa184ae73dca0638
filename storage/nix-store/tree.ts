import {
  closeSync,
  constants,
  existsSync,
  fstatSync,
  lstatSync,
  openSync,
  read,
  readdirSync,
  readlinkSync,
  readSync,
} from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'

import { readBuffers } from '../../src/buffer-pool.ts'
import { DepotError } from '../../src/errors.ts'
import type { FileTree, FileTreeEntry } from '../../src/file-tree.ts'
import { LIMITS } from '../../src/limits.ts'
import { isMissing, storageError, systemCode } from '../fs-errors.ts'

/**
 * The files of a path of the store, or undefined when there are none. Only the name is looked at now; everything below is opened when its
 * turn comes, from the folder that is open already and never through a link: what is swapped meanwhile cannot lead out of the store.
 *
 * @throws DepotError `STORAGE_DOWN`
 */
export function openTree(storeDir: string, baseName: string): FileTree | undefined {
  if (baseName.includes('/') || baseName.startsWith('.'))
    throw new Error(`not a base name: ${JSON.stringify(baseName)}`)
  try {
    return nodeAt(Buffer.from(join(storeDir, baseName)))
  } catch (error) {
    if (isMissing(error)) return undefined
    throw storageError(error, 'Nix store')
  }
}

/** What the system says of a folder that is open, by its descriptor; macOS has no such place, and names are all there is. */
const DESCRIPTORS = '/proc/self/fd'
const HAS_DESCRIPTORS = existsSync(DESCRIPTORS)

function nodeAt(path: Buffer): FileTree {
  const found = lstatSync(path)
  if (found.isSymbolicLink()) return { type: 'symlink', target: readlinkSync(path, { encoding: 'buffer' }) }
  if (found.isDirectory()) return { type: 'directory', entries: entriesOf(path) }
  if (!found.isFile()) throw new DepotError('CONTENT_MISMATCH', 'neither a file nor a folder nor a link')
  const sizeBytes = found.size
  const executable = (found.mode & constants.S_IXUSR) !== 0
  return { type: 'regular', executable, sizeBytes, contents: contentsOf(path, sizeBytes) }
}

/** Others get their turn after so many entries: what is in the page cache costs no wait. */
const ENTRIES_PER_TURN = 64

async function* entriesOf(path: Buffer): AsyncGenerator<FileTreeEntry> {
  const descriptor = opened(path, constants.O_DIRECTORY)
  try {
    const place = HAS_DESCRIPTORS ? Buffer.from(`${DESCRIPTORS}/${descriptor}`) : path
    const names = unchanged(() => readdirSync(place, { encoding: 'buffer' })).sort(Buffer.compare)
    for (const [index, name] of names.entries()) {
      if (index % ENTRIES_PER_TURN === ENTRIES_PER_TURN - 1) await new Promise((resolve) => setImmediate(resolve))
      yield { name, node: unchanged(() => nodeAt(Buffer.concat([place, SLASH, name]))) }
    }
  } finally {
    closeSync(descriptor)
  }
}

const SLASH = Buffer.from('/')

const readAsync = promisify(read)

/** A file of this size; small ones at once, which is cheaper than trips through the thread pool. */
async function* contentsOf(path: Buffer, sizeBytes: number): AsyncGenerator<Uint8Array> {
  const descriptor = opened(path, constants.O_NONBLOCK)
  let reading: Promise<unknown> | undefined
  try {
    const found = fstatSync(descriptor)
    if (!found.isFile() || found.size !== sizeBytes) throw changed('is another file or of another size')
    if (sizeBytes <= LIMITS.inlineReadBytesMax) {
      const bytes = Buffer.allocUnsafe(sizeBytes)
      yield bytes.subarray(0, readSync(descriptor, bytes, 0, sizeBytes, 0))
      return
    }
    let [filling, leaving] = [readBuffers.take(), readBuffers.take()]
    let next = readAsync(descriptor, filling, 0, filling.byteLength, 0)
    for (let offset = 0; ;) {
      reading = next
      const { bytesRead } = await next.catch((error: unknown) => {
        throw storageError(error, 'Nix store')
      })
      if (bytesRead === 0) {
        readBuffers.giveBack(filling)
        readBuffers.giveBack(leaving)
        return
      }
      offset += bytesRead
      const bytes = filling.subarray(0, bytesRead)
      ;[filling, leaving] = [leaving, filling]
      next = readAsync(descriptor, filling, 0, filling.byteLength, offset)
      next.catch(() => {})
      reading = next
      yield bytes
    }
  } finally {
    // Its number would go to another file, and its memory to somebody else, while the system still reads.
    await reading?.catch(() => {})
    closeSync(descriptor)
  }
}

function opened(path: Buffer, flags: number): number {
  return unchanged(() => openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | flags))
}

/** What is not there any more, or is something else now, has changed since it was looked at. */
function unchanged<T>(operation: () => T): T {
  try {
    return operation()
  } catch (error) {
    const code = systemCode(error)
    throw code !== undefined && ['ENOENT', 'ELOOP', 'ENOTDIR', 'ENXIO', 'EINVAL'].includes(code)
      ? changed(`is gone or is something else (${code})`)
      : storageError(error, 'Nix store')
  }
}

function changed(how: string): DepotError {
  return new DepotError('CONTENT_MISMATCH', `a file ${how}: it changed while it was read`)
}
