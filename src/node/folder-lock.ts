import { randomUUID } from 'node:crypto'
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
export async function lockFolder(folder: string): Promise<AsyncDisposable> {
  for (let tries = 1; ; tries++) {
    const sign = path.join(folder, `${SIGN}${pid}-${randomUUID()}-${host()}`)
    await (await open(sign, 'wx')).close()
    const other = await otherHolder(folder, path.basename(sign))
    if (other === undefined) return { [Symbol.asyncDispose]: () => removed(sign) }
    await removed(sign)
    if (tries === TRIES) throw inUse(folder, other)
    await wait(Math.random() * PAUSE_MS_MAX)
  }
}

const SIGN = '.lock-'
const TRIES = 5
const PAUSE_MS_MAX = 100

/** Signs of processes that are gone are cleared away. */
async function otherHolder(folder: string, own: string): Promise<string | undefined> {
  for (const name of await readdir(folder)) {
    if (!name.startsWith(SIGN) || name === own) continue
    if (isAlive(name)) return name
    await removed(path.join(folder, name))
  }
  return undefined
}

/** Of another machine, which may share this folder, we cannot tell. */
function isAlive(sign: string): boolean {
  const holder = /^\.lock-(?<pid>\d{1,10})-[\da-f-]{36}-(?<host>.*)$/.exec(sign)?.groups
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

function inUse(folder: string, sign: string): DepotError {
  return new DepotError(
    'CONFLICT',
    `another depot command is filling ${folder}: wait until it is done, or name another folder with --dir (if none is, delete ${path.join(folder, sign)})`,
  )
}
