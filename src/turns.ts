/** Lets a few work at once; the others wait in the order they came. */
export interface Turns {
  /** How many wait. */
  readonly waiting: number
  take(): Promise<void>
  giveBack(): void
}

export function createTurns(count: number): Turns {
  const waiting: (() => void)[] = []
  let free = count
  return {
    get waiting() {
      return waiting.length
    },
    async take() {
      if (free > 0) free--
      else await new Promise<void>((resolve) => waiting.push(resolve))
    },
    giveBack() {
      const next = waiting.shift()
      if (next === undefined) free++
      else next()
    },
  }
}
