import { createHash, randomUUID } from 'node:crypto'
import { open, readdir, unlink } from 'node:fs/promises'
import { hostname } from 'node:os'
import path from 'node:path'
import { kill, pid } from 'node:process'
import { setTimeout as wait } from 'node:timers/promises'

import { DepotError } from '../errors.ts'
import { systemCode } from '../thrown.ts'

/**
 * Keep other processes from filling a folder until it is disposed. What a process that was killed left does not count.
 *
 * Each puts up a sign with a name of its own and then looks around, so that nothing is ever taken from somebody. Of two that
 * see one another none may stay, and both come again a moment later.
 *
 * @throws DepotError `CONFLICT` when another one fills it
 */
export function lockFolder(folder: string): Promise<AsyncDisposable> {
  return lock({ folder, start: '.lock-', other: filling(folder, 'folder with --dir') })
}

/** The same for one file that is written, beside others that anybody may write. @throws DepotError `CONFLICT` */
export function lockFile(file: string): Promise<AsyncDisposable> {
  return lock({ ...beside(file, path.basename(file)), other: filling(file, 'file') })
}

/**
 * The same for a piece of work on a file that others write as well, which two had better not do at a time.
 *
 * @param work as people call it
 * @throws DepotError `CONFLICT`
 */
export function lockWork(file: string, work: string): Promise<AsyncDisposable> {
  return lock({
    ...beside(file, `${path.basename(file)} ${work}`),
    other: `another ${work} is under way: wait until it is done`,
  })
}

function filling(what: string, instead: string): string {
  return `another depot command is filling ${what}: wait until it is done, or name another ${instead}`
}

function beside(file: string, name: string): Pick<Wanted, 'folder' | 'start'> {
  const digits = createHash('sha256').update(name).digest('hex').slice(0, NAME_DIGITS)
  return { folder: path.dirname(file), start: `.locked-${digits}-` }
}

const NAME_DIGITS = 16

interface Wanted {
  /** Where the signs stand. */
  readonly folder: string
  /** Of their names. */
  readonly start: string
  /** What another one does, and what to do about it, for people. */
  readonly other: string
}

async function lock(wanted: Wanted): Promise<AsyncDisposable> {
  const { folder, start } = wanted
  for (let tries = 1; ; tries++) {
    const sign = path.join(folder, `${start}${pid}-${randomUUID()}-${host()}`)
    await (await open(sign, 'wx')).close()
    const other = await otherHolder(wanted, path.basename(sign))
    if (other === undefined) return { [Symbol.asyncDispose]: () => removed(sign) }
    await removed(sign)
    if (tries === TRIES) throw inUse(wanted, other)
    await wait(Math.random() * PAUSE_MS_MAX)
  }
}

const TRIES = 5
const PAUSE_MS_MAX = 100

/** Signs of processes that are gone are cleared away. */
async function otherHolder({ folder, start }: Wanted, own: string): Promise<string | undefined> {
  for (const name of await readdir(folder)) {
    if (!name.startsWith(start) || name === own) continue
    if (isAlive(name.slice(start.length))) return name
    await removed(path.join(folder, name))
  }
  return undefined
}

/** Of another machine, which may share this folder, we cannot tell. */
function isAlive(sign: string): boolean {
  const holder = /^(?<pid>\d{1,10})-[\da-f-]{36}-(?<host>.*)$/.exec(sign)?.groups
  if (holder?.['host'] !== host()) return true
  try {
    kill(Number(holder['pid']), 0)
    return true
  } catch (error) {
    return systemCode(error) === 'EPERM'
  }
}

function host(): string {
  return hostname()
    .replaceAll(/[^\w.-]/g, '_')
    .slice(0, HOST_LENGTH_MAX)
}

const HOST_LENGTH_MAX = 100

async function removed(file: string): Promise<void> {
  await unlink(file).catch((error: unknown) => {
    if (systemCode(error) !== 'ENOENT') throw error
  })
}

function inUse({ folder, other }: Wanted, sign: string): DepotError {
  return new DepotError('CONFLICT', `${other} (if none is, delete ${JSON.stringify(path.join(folder, sign))})`)
}
