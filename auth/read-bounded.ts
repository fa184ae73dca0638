import { constants } from 'node:fs'
import { open, type FileHandle } from 'node:fs/promises'

/** What a file holds, whose it is, and who else may use it. */
export interface FileContent {
  readonly bytes: Buffer
  /** Permission bits. */
  readonly mode: number
  /** Its owner. */
  readonly uid: number
}

/**
 * Read a regular file of at most so many bytes; nothing longer is ever held in memory, and a pipe or a device is not waited for.
 *
 * @throws the file system's error (`ENOENT`, `EACCES`), or an `Error` that says what else is wrong.
 */
export async function readBounded(file: string, bytesMax: number): Promise<FileContent> {
  await using handle = await open(file, constants.O_RDONLY | constants.O_NONBLOCK)
  const stat = await handle.stat()
  if (!stat.isFile()) throw new Error('it is not a regular file')
  const bytes = await readUpTo(handle, bytesMax + 1)
  if (bytes.length > bytesMax) throw new Error(`it has more than ${bytesMax} bytes`)
  return { bytes, mode: stat.mode & 0o777, uid: stat.uid }
}

const PIECE_BYTES = 64 * 1024

/** The size that a file says it has may be older than its content, so reading goes on to its end. */
async function readUpTo(handle: FileHandle, bytesMax: number): Promise<Buffer> {
  const pieces: Buffer[] = []
  for (let held = 0; held < bytesMax;) {
    const piece = Buffer.alloc(Math.min(PIECE_BYTES, bytesMax - held))
    const { bytesRead } = await handle.read(piece, 0, piece.length, null)
    if (bytesRead === 0) break
    pieces.push(piece.subarray(0, bytesRead))
    held += bytesRead
  }
  return Buffer.concat(pieces)
}
