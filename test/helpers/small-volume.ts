import { execFile } from 'node:child_process'
import { mkdir, statfs, writeFile } from 'node:fs/promises'
import { promisify } from 'node:util'

import { tempDir } from './temp-dir.ts'

const run = promisify(execFile)

export interface Volume extends AsyncDisposable {
  readonly path: string
  join(...names: string[]): string
}

/** A file system of its own in memory, so small that a test fills it. */
export async function smallVolume(sizeMib: number): Promise<Volume> {
  const dir = await tempDir('volume')
  const mount = dir.join('volume')
  await mkdir(mount)
  await run('mount', ['-t', 'tmpfs', '-o', `size=${sizeMib}m`, 'tmpfs', mount])
  return {
    path: mount,
    join: (...names) => dir.join('volume', ...names),
    async [Symbol.asyncDispose]() {
      await run('umount', ['--lazy', mount])
      await dir[Symbol.asyncDispose]()
    },
  }
}

/** Take all space but `leftBytes`. */
export async function fillUp(volume: string, file: string, leftBytes: number): Promise<void> {
  const { bavail, bsize } = await statfs(volume)
  await writeFile(file, Buffer.alloc(Math.max(bavail * bsize - leftBytes, 0), 1))
}
