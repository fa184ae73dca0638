import process from 'node:process'

/** Milliseconds that this thread computes for some work: what others on the machine take meanwhile does not count. */
export function cpuMs(work: () => unknown): number {
  const began = process.threadCpuUsage()
  work()
  const { user, system } = process.threadCpuUsage(began)
  return (user + system) / 1000
}
