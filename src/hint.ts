import { closest, distance } from 'fastest-levenshtein'

/** ' (did you mean X?)' when a known word is near enough to be a slip of the finger; empty when none is. */
export function hint(word: string, known: readonly string[]): string {
  if (known.length === 0 || word.length > WORD_LENGTH_MAX) return ''
  const nearest = closest(word, [...known])
  return distance(word, nearest) <= Math.max(2, word.length / 3) ? ` (did you mean ${nearest}?)` : ''
}

/** No word of ours is near this long, and the search takes the product of the lengths. */
const WORD_LENGTH_MAX = 100
