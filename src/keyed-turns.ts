/** Does a piece of work when it is the turn of whoever waits under that key. */
export type KeyedTurns = <T>(key: string, work: () => Promise<T>) => Promise<T>

/** Lets `most` pieces of work of each key run at a time; the others wait, first come, first served, whatever becomes of those before. */
export function createKeyedTurns(most: number): KeyedTurns {
  const lines = new Map<string, Line>()

  function enter(key: string): Promise<void> | undefined {
    const line = lines.get(key) ?? { running: 0, waiting: [] }
    lines.set(key, line)
    if (line.running >= most) return new Promise((resolve) => line.waiting.push(resolve))
    line.running++
    return undefined
  }

  function leave(key: string): void {
    const line = lines.get(key)
    const next = line?.waiting.shift()
    // Whoever is next takes the place that is given up.
    if (line === undefined || next !== undefined) return next?.()
    line.running--
    if (line.running === 0) lines.delete(key)
  }

  return async (key, work) => {
    await enter(key)
    try {
      return await work()
    } finally {
      leave(key)
    }
  }
}

interface Line {
  running: number
  readonly waiting: (() => void)[]
}
