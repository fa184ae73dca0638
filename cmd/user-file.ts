import { randomBytes } from 'node:crypto'
import { chmod, mkdir, open, readlink, rename, rm, stat } from 'node:fs/promises'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

import { readBounded } from '../auth/read-bounded.ts'
import { DepotError } from '../src/errors.ts'
import { LIMITS } from '../src/limits.ts'
import { systemCode } from '../src/thrown.ts'

/**
 * A file of the user's, with one character for each byte, so that writing it back keeps what is not understood; undefined when it is
 * not there.
 *
 * @throws DepotError naming the file
 */
export async function readUserFile(
  file: string,
  bytesMax: number = LIMITS.userFileBytesMax,
): Promise<string | undefined> {
  try {
    // Regular files only: putting one in the place of /dev/null would be the end of it.
    return (await readBounded(file, bytesMax)).bytes.toString('latin1')
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return undefined
    throw new DepotError('STORAGE_DOWN', `cannot read ${file}`, { cause: error })
  }
}

/** Text as `readUserFile` gives it: one character for each byte of its UTF-8. */
export function asBytes(text: string): string {
  return Buffer.from(text, 'utf8').toString('latin1')
}

/** The other way. */
export function asText(bytes: string): string {
  return Buffer.from(bytes, 'latin1').toString('utf8')
}

/**
 * Change a file under a lock: read, edit, and put the new one in its place at once. A symbolic link stays one, a mode stays; a new
 * file, and one that gets a secret, is its owner's only. An edit that changes nothing writes nothing.
 *
 * @param edit gets the text, empty for a file that is not there
 * @throws DepotError naming the file, also when another process keeps the lock.
 */
export async function editUserFile(
  file: string,
  edit: (text: string) => string,
  options: { readonly secret: boolean; readonly bytesMax?: number },
): Promise<void> {
  try {
    const target = await followLinks(file)
    await mkdir(path.dirname(target), { recursive: true, mode: 0o700 })
    await using _lock = await lock(target)
    const before = await readUserFile(target, options.bytesMax)
    const after = edit(before ?? '')
    const mode = before === undefined ? (options.secret ? 0o600 : undefined) : await modeOf(target, options.secret)
    if (after !== (before ?? '')) await replace(target, after, mode)
    else if (mode !== undefined && before !== undefined) await chmod(target, mode)
  } catch (error) {
    if (error instanceof DepotError) throw error
    throw new DepotError('STORAGE_DOWN', `cannot write ${file}`, { cause: error })
  }
}

async function modeOf(target: string, secret: boolean): Promise<number> {
  return (await stat(target)).mode & (secret ? 0o700 : 0o777)
}

/** Without a mode, it gets the one that new files of this user get. */
async function replace(target: string, text: string, mode: number | undefined): Promise<void> {
  const partial = `${target}.${randomBytes(6).toString('hex')}`
  try {
    await using handle = await open(partial, 'wx', mode === undefined ? 0o666 : 0o600)
    await handle.writeFile(text, 'latin1')
    if (mode !== undefined) await handle.chmod(mode)
    await handle.sync()
    await rename(partial, target)
  } catch (error) {
    await rm(partial, { force: true })
    throw error
  }
}

/** Where a link ends, also when nothing is there yet. */
async function followLinks(file: string): Promise<string> {
  let target = file
  for (let hops = 0; hops < LINKS_MAX; hops++) {
    const next = await readlink(target).catch(() => undefined)
    if (next === undefined) return target
    target = path.resolve(path.dirname(target), next)
  }
  throw new Error('too many symbolic links')
}

/** As many as Linux follows. */
const LINKS_MAX = 40

/** It is not taken from a process that died: whether one did cannot be known on a shared home. */
async function lock(target: string): Promise<AsyncDisposable> {
  const file = `${target}.lock`
  const end = Date.now() + LIMITS.userFileLockMs
  for (;;) {
    try {
      await using _handle = await open(file, 'wx', 0o600)
      return { [Symbol.asyncDispose]: () => rm(file, { force: true }) }
    } catch (error) {
      if (systemCode(error) !== 'EEXIST') throw error
      if (Date.now() > end)
        throw new DepotError('CONFLICT', `another process is changing ${target}; if none is, remove ${file}`)
      await sleep(20)
    }
  }
}
