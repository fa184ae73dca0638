/** Lets a number of holders in at once; the others wait in order. */
export interface Semaphore {
  /** Wait for a place; disposing gives it back. */
  acquire(): Promise<Disposable>
}

export function createSemaphore(places: number): Semaphore {
  let free = places
  const waiting: (() => void)[] = []

  function release(): void {
    const next = waiting.shift()
    if (next === undefined) free++
    else next()
  }

  return {
    async acquire() {
      if (free > 0) free--
      else await new Promise<void>((resolve) => waiting.push(resolve))
      let held = true
      return {
        [Symbol.dispose]() {
          if (held) release()
          held = false
        },
      }
    },
  }
}
