import { mkdir, open } from 'node:fs/promises'
import { dirname } from 'node:path'

import { LIMITS } from '../limits.ts'
import { systemCode } from '../thrown.ts'

/** Directories whose names are known to survive a power cut. */
export interface DurableDirectories {
  /** Make `directory` and its parents below the root, durably; those that are known are not touched again. */
  make(directory: string): Promise<void>
  /** No longer believe that anything exists: somebody removed directories behind our back. */
  forget(): void
}

/**
 * Tracks the directories below `root`. One that another writer has just made may not have been synced by it yet, so that it
 * exists is not enough: this process syncs the parent of each directory once, before it relies on it.
 */
export function durableDirectories(root: string): DurableDirectories {
  const known = new Map<string, Promise<void>>([[root, Promise.resolve()]])

  async function create(directory: string): Promise<void> {
    const parent = dirname(directory)
    await make(parent)
    await mkdir(directory).catch((error: unknown) => {
      if (systemCode(error) !== 'EEXIST') throw error
    })
    await syncDirectory(parent)
  }

  function make(directory: string): Promise<void> {
    const made = known.get(directory)
    if (made !== undefined) return made
    if (known.size >= LIMITS.directoriesRemembered) forget()
    const making = create(directory)
    known.set(directory, making)
    making.catch(() => known.delete(directory))
    return making
  }

  function forget(): void {
    known.clear()
    known.set(root, Promise.resolve())
  }

  return { make, forget }
}

/** Make a directory and those above it, each name synced in its parent. */
export async function makeDirectoryDurably(directory: string): Promise<void> {
  const first = await mkdir(directory, { recursive: true })
  if (first === undefined) return // it was there
  for (let made = directory; made.length >= first.length; made = dirname(made)) await syncDirectory(dirname(made))
}

/** Make the names in a directory durable: without it a power cut can forget a rename. */
export async function syncDirectory(directory: string): Promise<void> {
  await using handle = await open(directory, 'r')
  await handle.sync()
}
