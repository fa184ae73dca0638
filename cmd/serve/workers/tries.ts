import { LIMITS } from '../../../src/limits.ts'

/** When something that failed is tried again: each numbered thing later and later. */
export interface Tries extends Disposable {
  /** It failed once more. Returns the milliseconds to wait before its next try. */
  failed(number: number): number
  /** It works now: its next failure is its first one. */
  forget(number: number): void
  /** Try after so long, unless disposed before. */
  after(pauseMs: number, again: () => void): void
}

export function createTries(): Tries {
  const failures = new Map<number, number>()
  const timers = new Set<NodeJS.Timeout>()
  return {
    failed(number) {
      const times = failures.get(number) ?? 0
      failures.set(number, times + 1)
      return Math.min(LIMITS.workerPauseMsMin * 2 ** times, LIMITS.workerPauseMsMax)
    },
    forget: (number) => void failures.delete(number),
    after(pauseMs, again) {
      const timer = setTimeout(() => {
        timers.delete(timer)
        again()
      }, pauseMs)
      timers.add(timer)
    },
    [Symbol.dispose]() {
      for (const timer of timers) clearTimeout(timer)
    },
  }
}
