import { readdir, readFile } from 'node:fs/promises'
import { constants, getPriority, setPriority } from 'node:os'

/**
 * Each step leaves a thread a fifth less beside one that it competes with. Five keep the event loop freer still, but the pool also reads what
 * is downloaded: where strangers load the processors, large files then came a third slower.
 */
const STEPS_BEHIND = 2
const TASKS = '/proc/self/task'

/**
 * Have the threads of the pool, which compress uploads and read files, wait for the event loop where there are not processors for all: a
 * compressor that is woken would otherwise take the processor from all who wait for a short answer. It may be called again.
 *
 * Only Linux has a priority for each thread (sched(7), setpriority(2)); elsewhere, and where it is not allowed, all stays as it is.
 */
export async function putPoolBehindEventLoop(): Promise<void> {
  try {
    // The pool does this listing, and starts all of its threads with the first work it is given.
    for (const id of await readdir(TASKS)) {
      const name = await readFile(`${TASKS}/${id}/comm`, 'utf8')
      if (name.trim() === POOL_THREAD)
        setPriority(Number(id), Math.min(getPriority() + STEPS_BEHIND, constants.priority.PRIORITY_LOW))
    }
  } catch {
    // Not on Linux, or a container without /proc: slower answers during uploads, and nothing else.
  }
}

/** What libuv calls them. */
const POOL_THREAD = 'libuv-worker'
