import { LIMITS } from '../../src/limits.ts'

/** Whether somebody still answers. */
export interface Pulse extends Disposable {
  /** It has. */
  answered(): void
}

/**
 * Ask again and again, and call `silent` once when so many questions in a row had no answer. Questions are counted, not time: whoever asks may
 * have been stopped itself, and then finds one question unanswered and not many.
 *
 * @param everyMs between two questions
 */
export function watchPulse(
  ask: () => void,
  silent: () => void,
  { everyMs, missedMax }: { readonly everyMs: number; readonly missedMax: number } = {
    everyMs: LIMITS.workerPulseMs,
    missedMax: LIMITS.workerPulsesMissedMax,
  },
): Pulse {
  let missed = 0
  const timer = setInterval(() => {
    if (missed >= missedMax) {
      clearInterval(timer)
      return silent()
    }
    missed++
    ask()
  }, everyMs)
  timer.unref()
  return {
    answered: () => void (missed = 0),
    [Symbol.dispose]: () => clearInterval(timer),
  }
}
