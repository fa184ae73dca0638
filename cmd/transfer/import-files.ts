import { constants } from 'node:fs'
import { open, type FileHandle } from 'node:fs/promises'

import type { Algorithm } from '../../src/client/saved-files.ts'
import { digestsOf, hashHandle } from '../../src/node/hash-handle.ts'
import { isMissing } from '../../src/node/own-files.ts'
import { systemCode } from '../../src/thrown.ts'

/** A file that somebody else's server left, as it lies there. */
export interface FoundFile {
  readonly path: string
  readonly sizeBytes: number
  /** Milliseconds since 1970. */
  readonly modifiedMs: number
}

/** Look at a file; undefined when there is none. @throws Error for what is no plain file, links among it: they may lead anywhere */
export async function findFile(path: string): Promise<FoundFile | undefined> {
  try {
    await using handle = await openPlain(path)
    const { size, mtimeMs } = await handle.stat()
    return { path, sizeBytes: size, modifiedMs: Math.floor(mtimeMs) }
  } catch (error) {
    if (isMissing(error)) return undefined
    throw error
  }
}

/** Its digests, hex, by algorithm. @throws Error when it cannot be read */
export async function hashFile<A extends Algorithm>(
  path: string,
  algorithms: readonly A[],
): Promise<Readonly<Record<A, string>>> {
  await using handle = await openPlain(path)
  return digestsOf((await hashHandle(handle, algorithms)).running)
}

/** A whole file as UTF-8 text. @throws Error when it is longer, or cannot be read */
export async function readTextFile(path: string, bytesMax: number): Promise<string> {
  await using handle = await openPlain(path)
  const { size } = await handle.stat()
  if (size > bytesMax) throw new Error(`it is larger than ${bytesMax} bytes`)
  return handle.readFile('utf8')
}

/** Not to wait for the other end of a pipe that somebody put there. */
async function openPlain(path: string): Promise<FileHandle> {
  const handle = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK).catch(
    (error: unknown) => {
      throw systemCode(error) === 'ELOOP' ? new Error('it is a symbolic link') : error
    },
  )
  if ((await handle.stat()).isFile()) return handle
  await handle.close()
  throw new Error('it is not a file')
}
