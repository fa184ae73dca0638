/** Whether somebody still answers. */
export interface Pulse extends Disposable {
  /** It has. */
  answered(): void
}

export interface PulseTimes {
  /** Between two questions. */
  readonly everyMs: number
  /** Questions in a row that may go without an answer. */
  readonly missedMax: number
}

/**
 * Ask again and again, and call `silent` once when so many questions in a row had no answer. Questions are counted, not time: whoever asks may
 * have been stopped itself, and then finds one question unanswered and not many.
 */
export function watchPulse(ask: () => void, silent: () => void, { everyMs, missedMax }: PulseTimes): Pulse {
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
