/** Values that were wanted lately, by name, up to a length in all; what was longest unused goes first. */
export interface Recent<T extends Measured = string> {
  get(name: string): T | undefined
  /** In place of what has the name already; what is longer than all may be is not kept. */
  put(name: string, value: T): void
}

interface Measured {
  /** In characters, or bytes. */
  readonly length: number
}

/** @param lengthMax characters and bytes together */
export function createRecent<T extends Measured = string>(lengthMax: number): Recent<T> {
  // A Map keeps the order in which its names were put.
  const kept = new Map<string, T>()
  let held = 0
  return {
    get(name) {
      const value = kept.get(name)
      if (value === undefined) return undefined
      kept.delete(name)
      kept.set(name, value)
      return value
    },
    put(name, value) {
      const before = kept.get(name)
      if (before !== undefined) held -= before.length
      kept.delete(name)
      if (value.length > lengthMax) return
      kept.set(name, value)
      held += value.length
      for (const [oldest, { length }] of kept) {
        if (held <= lengthMax) return
        kept.delete(oldest)
        held -= length
      }
    },
  }
}
