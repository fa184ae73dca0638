/** The lines of a text with their line ends; joined again they are the text, byte for byte. */
export function splitLines(text: string): string[] {
  return text.match(/[^\n]*\n|[^\n]+/g) ?? []
}

/** The line end that a text uses: the one of its first line, `\n` when it has none. */
export function lineEnd(text: string): '\n' | '\r\n' {
  return /^[^\n]*\r\n/.test(text) ? '\r\n' : '\n'
}

/** Add lines behind a text. A last line that is not ended is ended first. */
export function appendLines(text: string, added: readonly string[]): string {
  const end = lineEnd(text)
  const start = text === '' || text.endsWith('\n') ? text : `${text}${end}`
  return start + added.map((line) => `${line}${end}`).join('')
}

/** A line without its line end. */
export function bare(line: string): string {
  return line.replace(/\r?\n$/, '')
}

/** The line end of one line; empty for a last line that is not ended. */
export function endOf(line: string): string {
  return line.slice(bare(line).length)
}
