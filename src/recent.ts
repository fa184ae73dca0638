/** Text that was wanted lately, by name, up to a number of characters in all; the one longest unused goes first. */
export interface Recent {
  get(name: string): string | undefined
  put(name: string, text: string): void
}

export function createRecent(charactersMax: number): Recent {
  // A Map keeps the order in which its names were put.
  const kept = new Map<string, string>()
  let characters = 0
  return {
    get(name) {
      const text = kept.get(name)
      if (text === undefined) return undefined
      kept.delete(name)
      kept.set(name, text)
      return text
    },
    put(name, text) {
      if (kept.has(name) || text.length > charactersMax) return
      kept.set(name, text)
      characters += text.length
      for (const [oldest, { length }] of kept) {
        if (characters <= charactersMax) return
        kept.delete(oldest)
        characters -= length
      }
    },
  }
}
