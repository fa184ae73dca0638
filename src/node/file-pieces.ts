import { constants } from 'node:fs'
import { open, type FileHandle } from 'node:fs/promises'

import { DepotError } from '../errors.ts'
import { systemCode } from '../thrown.ts'

/**
 * The bytes `[start, end)` of a plain file, or what there is of them. A piece is good until the next is asked for: one buffer
 * serves them all.
 *
 * @throws DepotError `NOT_FOUND` when there is no such file, `STORAGE_DOWN` when it cannot be read
 */
export async function* filePieces(
  file: string,
  start = 0,
  end = Number.MAX_SAFE_INTEGER,
): AsyncGenerator<Uint8Array, void, undefined> {
  await using handle = await openPlain(file)
  const buffer = Buffer.allocUnsafeSlow(Math.min(PIECE_BYTES, Math.max(end - start, 1)))
  for (let at = start; at < end;) {
    const { bytesRead } = await readAt(file, handle, buffer.subarray(0, end - at), at)
    if (bytesRead === 0) return
    yield buffer.subarray(0, bytesRead)
    at += bytesRead
  }
}

/** The same bytes, each piece in memory of its own: for those who read ahead. */
export async function* copied(pieces: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array, void, undefined> {
  for await (const piece of pieces) yield Buffer.from(piece)
}

const PIECE_BYTES = 1 << 20

/**
 * Open a plain file to read it. A link that lies in a folder from elsewhere is not followed, and the other end of a pipe is not waited for.
 *
 * @throws DepotError `NOT_FOUND` for anything but a plain file, `STORAGE_DOWN` when it cannot be read
 */
export async function openPlain(file: string): Promise<FileHandle> {
  const handle = await open(file, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK).catch(
    (error: unknown) => {
      throw unreadable(file, error)
    },
  )
  if ((await handle.stat()).isFile()) return handle
  await handle.close()
  throw new DepotError('NOT_FOUND', `${file} is not a file`)
}

async function readAt(file: string, handle: FileHandle, into: Uint8Array, at: number): Promise<{ bytesRead: number }> {
  try {
    return await handle.read(into, 0, into.length, at)
  } catch (error) {
    throw unreadable(file, error)
  }
}

/** What to throw for a file or folder that the system does not let us read; a bug stays one. */
export function unreadable(file: string, error: unknown): unknown {
  const code = systemCode(error)
  if (code === undefined || code.startsWith('ERR_')) return error
  if (code === 'ENOENT' || code === 'ENOTDIR') return new DepotError('NOT_FOUND', `${file} is not there`)
  if (code === 'ELOOP') return new DepotError('NOT_FOUND', `${file} is a link, and links are not followed`)
  return new DepotError('STORAGE_DOWN', `${file} cannot be read (${code})`, { cause: error })
}
