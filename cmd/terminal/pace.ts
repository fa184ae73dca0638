/** How fast something goes, and when it will be done. */
export interface Pace {
  expect(more: { readonly items?: number; readonly bytes?: number }): void
  ended(): void
  /** Whether it is time to show that bytes move: some times a second. */
  moved(bytes: number): boolean
  /** `12.3 MB, 4.1 MB/s, 7 of 30, 9 s left`; what is not known is left out. */
  text(): string
}

/** @param nowMs a clock that does not jump */
export function startPace(nowMs: () => number): Pace {
  const began = nowMs()
  let shownMs = began
  let [items, itemsExpected, bytes, bytesExpected] = [0, 0, 0, 0]
  return {
    expect(more) {
      itemsExpected += more.items ?? 0
      bytesExpected += more.bytes ?? 0
    },
    ended: () => void items++,
    moved(more) {
      bytes += more
      if (nowMs() - shownMs < SHOW_EACH_MS) return false
      shownMs = nowMs()
      return true
    },
    text() {
      const seconds = (nowMs() - began) / 1000
      const rate = seconds > 0 ? bytes / seconds : 0
      const left = secondsLeft(seconds, bytesExpected > 0 ? bytes / bytesExpected : items / itemsExpected)
      return [
        ...(bytes > 0 ? [size(bytes), `${size(Math.round(rate))}/s`] : []),
        ...(itemsExpected > items ? [`${items} of ${itemsExpected}`] : []),
        ...(left === undefined ? [] : [`${duration(left)} left`]),
      ].join(', ')
    },
  }
}

const SHOW_EACH_MS = 200

/** Nothing is said in the first second, nor when all that was expected is there. */
function secondsLeft(seconds: number, part: number): number | undefined {
  return seconds >= 1 && part > 0 && part < 1 ? Math.ceil(seconds / part - seconds) : undefined
}

function duration(seconds: number): string {
  if (seconds < 100) return `${seconds} s`
  const minutes = Math.ceil(seconds / 60)
  return minutes < 100 ? `${minutes} min` : `${Math.ceil(minutes / 60)} h`
}

/** `1.5 MB`, in powers of a thousand. */
export function size(bytes: number): string {
  if (bytes < 1000) return `${bytes} bytes`
  const power = Math.min(Math.floor(Math.log10(bytes) / 3), UNITS.length)
  return `${(bytes / 1000 ** power).toFixed(1)} ${UNITS[power - 1]}`
}

const UNITS = ['kB', 'MB', 'GB', 'TB']
