import { randomBytes } from 'node:crypto'
import { readdir, unlink } from 'node:fs/promises'
import { join } from 'node:path'
import { kill, pid } from 'node:process'

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
    nextName: () => `${pid}-${id}-${count++}`,
    [Symbol.dispose]: () => live.delete(id),
  }
}

const STAGED_NAME = /^(?<pid>[1-9][0-9]{0,9})-(?<instance>[0-9a-f]{16})-[0-9]+$/

/**
 * Remove staged files whose writer is gone. In a container every process is number 1, so for our own number the instance
 * decides. A directory of staged files must not be shared by machines or containers that run at the same time.
 */
export async function removeLeftovers(directory: string): Promise<void> {
  for (const name of await listLeftovers(directory)) {
    await unlink(join(directory, name)).catch((error: unknown) => {
      if (!isMissing(error)) throw error
    })
  }
}

/** The names of those files. */
export async function listLeftovers(directory: string): Promise<readonly string[]> {
  return (await readdir(directory)).filter((name) => {
    const owner = STAGED_NAME.exec(name)?.groups
    return owner !== undefined && !isAlive(Number(owner['pid']), owner['instance'] ?? '')
  })
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
