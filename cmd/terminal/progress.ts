/** A line on the terminal that says how far something is, and is gone afterwards. Nothing where nobody looks. */
export interface Progress extends Disposable {
  show(text: string): void
}

/** @param beside whether the output itself goes to the terminal, so that it can be seen growing */
export function startProgress(beside: boolean): Progress {
  const { stderr } = process
  const seen = stderr.isTTY && !beside
  let shown = false
  return {
    show(text) {
      if (!seen) return
      shown = true
      stderr.write(`\r\u001b[K${text}`)
    },
    [Symbol.dispose]() {
      if (shown) stderr.write('\r\u001b[K')
      shown = false
    },
  }
}
