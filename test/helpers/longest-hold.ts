import { threadCpuUsage } from 'node:process'

/**
 * The longest time in milliseconds for which work kept everybody else in this process waiting: of this thread's own time, because on
 * a busy machine others take some too.
 */
export async function longestHold(work: () => Promise<unknown>): Promise<number> {
  const now = (): number => {
    const { user, system } = threadCpuUsage()
    return (user + system) / 1000
  }
  let [held, last, done] = [0, now(), false]
  const look = (): void => {
    held = Math.max(held, now() - last)
    last = now()
    if (!done) setImmediate(look)
  }
  setImmediate(look)
  await work()
  await new Promise((resolve) => setImmediate(resolve))
  done = true
  return held
}
