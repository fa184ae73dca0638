import { createHash, randomBytes } from 'node:crypto'
import { readFileSync, readlinkSync } from 'node:fs'
import { readdir, stat, unlink, writeFile } from 'node:fs/promises'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { kill, pid } from 'node:process'

import { LIMITS } from '../../src/limits.ts'
import { isMissing, systemCode } from '../fs-errors.ts'

/** Stores that are open in this process: what another instance of the same process number left behind is garbage. */
const live = new Set<string>()

export interface Instance extends Disposable {
  /** A staged file's name: nobody else uses it, and one can tell whether its owner still lives. */
  nextName(): string
}

/** Register one opened store. Disposing it gives its staged files up for removal. */
export function registerInstance(): Instance {
  const id = randomBytes(8).toString('hex')
  let count = 0
  live.add(id)
  return {
    nextName: () => `${PLACE}-${pid}-${id}-${count++}`,
    [Symbol.dispose]: () => live.delete(id),
  }
}

/**
 * Where a process number means one process: one run of a kernel, and within it one container. Of two containers on one machine, and of two
 * machines that share a folder, each has a process 7.
 */
const PLACE = createHash('sha256')
  .update(
    [
      hostname(),
      told(() => readFileSync('/proc/sys/kernel/random/boot_id', 'utf8')),
      told(() => readlinkSync('/proc/self/ns/pid')),
    ].join('\n'),
  )
  .digest('hex')
  .slice(0, 16)

/** Systems other than Linux say nothing of it, and have no containers. */
function told(ask: () => string): string {
  try {
    return ask()
  } catch {
    return ''
  }
}

const STAGED_NAME = /^(?:(?<place>[0-9a-f]{16})-)?(?<pid>[1-9][0-9]{0,9})-(?<instance>[0-9a-f]{16})-[0-9]+$/

/**
 * Remove staged files whose writer is gone, now and again until it is disposed: what other places leave becomes known as such only with
 * time. In a container every process is number 1, so for our own number the instance decides. Of other places, which may share the folder,
 * nobody tells who lives there: what nobody has written to for `LIMITS.stagedElsewhereMs` goes.
 *
 * @throws Error of the system when they cannot be removed now; later on a folder that cannot be read shows in the requests that need it
 */
export async function sweepLeftovers(directory: string): Promise<Disposable> {
  await removeLeftovers(directory)
  const timer = setInterval(() => void removeLeftovers(directory).catch(() => {}), LIMITS.stagedElsewhereMs)
  timer.unref()
  return { [Symbol.dispose]: () => clearInterval(timer) }
}

async function removeLeftovers(directory: string): Promise<void> {
  for (const name of await listLeftovers(directory)) {
    await unlink(join(directory, name)).catch((error: unknown) => {
      if (!isMissing(error)) throw error
    })
  }
}

/** What time a folder has, which dates the files of all who share it: the clock of this machine may be days ahead. */
async function timeOf(directory: string): Promise<number> {
  using instance = registerInstance()
  const file = join(directory, instance.nextName())
  try {
    await writeFile(file, '')
    const { mtimeMs } = await stat(file)
    await unlink(file)
    return mtimeMs
  } catch {
    // Where it cannot be written in, what another host has there counts as new.
    return 0
  }
}

/** The names of those files. */
export async function listLeftovers(directory: string): Promise<readonly string[]> {
  const left: string[] = []
  let now: number | undefined
  for (const name of await readdir(directory)) {
    const owner = STAGED_NAME.exec(name)?.groups
    if (owner === undefined) continue
    const isHere = owner['place'] === PLACE
    const isInUse = isHere
      ? isAlive(Number(owner['pid']), owner['instance'] ?? '')
      : await isRecent(join(directory, name), (now ??= await timeOf(directory)))
    if (!isInUse) left.push(name)
  }
  return left
}

function isAlive(owner: number, instance: string): boolean {
  if (owner === pid) return live.has(instance)
  try {
    kill(owner, 0)
    return true
  } catch (error) {
    // EPERM: it lives, and belongs to someone else.
    return systemCode(error) !== 'ESRCH'
  }
}

/** Whoever writes a staged file does so all the time: an upload that stands still is cut long before. */
async function isRecent(file: string, now: number): Promise<boolean> {
  try {
    return now - (await stat(file)).mtimeMs < LIMITS.stagedElsewhereMs
  } catch (error) {
    // Its owner has published it meanwhile.
    if (isMissing(error)) return true
    throw error
  }
}
