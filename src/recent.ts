/** Texts or bytes that were wanted lately, by name, up to a length in all; what was longest unused goes first. */
export interface Recent<T extends string | Uint8Array = string> {
  get(name: string): T | undefined
  put(name: string, text: T): void
}

/** @param lengthMax characters and bytes together */
export function createRecent<T extends string | Uint8Array = string>(lengthMax: number): Recent<T> {
  // A Map keeps the order in which its names were put.
  const kept = new Map<string, T>()
  let held = 0
  return {
    get(name) {
      const text = kept.get(name)
      if (text === undefined) return undefined
      kept.delete(name)
      kept.set(name, text)
      return text
    },
    put(name, text) {
      if (kept.has(name) || text.length > lengthMax) return
      kept.set(name, text)
      held += text.length
      for (const [oldest, { length }] of kept) {
        if (held <= lengthMax) return
        kept.delete(oldest)
        held -= length
      }
    },
  }
}
