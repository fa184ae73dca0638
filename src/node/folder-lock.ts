import { link, open, readFile, rename, unlink } from 'node:fs/promises'
import { hostname } from 'node:os'
import path from 'node:path'
import { kill, pid } from 'node:process'

import { DepotError } from '../errors.ts'
import { systemCode } from '../thrown.ts'

/**
 * Keep other processes from filling a folder until it is disposed. What a process that was killed left is taken over.
 *
 * @throws DepotError `CONFLICT` when another one fills it
 */
export async function lockFolder(folder: string): Promise<AsyncDisposable> {
  const lock = path.join(folder, '.lock')
  const mine = path.join(folder, `.lock-${pid}-${Math.random().toString(36).slice(2)}`)
  const text = JSON.stringify({ pid, host: hostname() })
  {
    await using handle = await open(mine, 'wx')
    await handle.writeFile(text)
  }
  try {
    // A link appears whole, or fails when there is one.
    if (!(await linked(mine, lock))) {
      await takeOver(folder, lock)
      if (!(await linked(mine, lock))) throw inUse(folder)
    }
  } finally {
    await unlink(mine)
  }
  return { [Symbol.asyncDispose]: () => unlink(lock).catch(() => {}) }
}

async function linked(from: string, to: string): Promise<boolean> {
  try {
    await link(from, to)
    return true
  } catch (error) {
    if (systemCode(error) === 'EEXIST') return false
    throw error
  }
}

/** Put the lock of a process that is gone out of the way. Two that try it at once: one rename finds nothing. */
async function takeOver(folder: string, lock: string): Promise<void> {
  const text = await readFile(lock, 'utf8').catch(() => '')
  if (isAlive(text)) throw inUse(folder)
  const stale = `${lock}-stale-${pid}`
  try {
    await rename(lock, stale)
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return
    throw error
  }
  const moved = await readFile(stale, 'utf8')
  // Somebody took it over between our two looks: it is theirs.
  if (moved !== text) await linked(stale, lock)
  await unlink(stale)
  if (moved !== text) throw inUse(folder)
}

/** Of another machine we cannot tell. */
function isAlive(text: string): boolean {
  const holder = /^\{"pid":(?<pid>\d+),"host":(?<host>"[^"]*")\}$/.exec(text)?.groups
  if (holder === undefined) return false
  if (holder['host'] !== JSON.stringify(hostname())) return true
  try {
    kill(Number(holder['pid']), 0)
    return true
  } catch (error) {
    return systemCode(error) === 'EPERM'
  }
}

function inUse(folder: string): DepotError {
  return new DepotError(
    'CONFLICT',
    `another depot command is filling ${folder}: wait until it is done, or name another folder with --dir (if none runs, delete ${path.join(folder, '.lock')})`,
  )
}
