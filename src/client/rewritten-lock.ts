/** A lock file whose addresses are those of one depot, or of one registry. */
export interface RewrittenLock {
  readonly text: string
  /** Addresses that were others before. */
  readonly changed: number
  /** Addresses that stay: of what comes from no registry and no index, or from one with paths of its own. */
  readonly left: readonly LeftAddress[]
}

export interface LeftAddress {
  /** How the lock file calls what is there. */
  readonly item: string
  /** As the lock file spells it: it may hold credentials. */
  readonly url: string
  readonly reason: string
}

/** What stands in a text from one offset up to another is to be something else. */
export interface TextEdit {
  readonly at: number
  readonly end: number
  readonly text: string
}

/** A text with some edits, none of which touches another; all else stays as it is. */
export function edited(text: string, edits: readonly TextEdit[]): string {
  const pieces: string[] = []
  let done = 0
  for (const edit of edits.toSorted((one, other) => one.at - other.at)) {
    pieces.push(text.slice(done, edit.at), edit.text)
    done = edit.end
  }
  return [...pieces, text.slice(done)].join('')
}
