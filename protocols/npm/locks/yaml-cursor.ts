import { malformed, type LockText } from './tree.ts'

/** Where the reading of a YAML file stands: at the content of a line, or somewhere in it. */
export interface YamlCursor extends LockText {
  /** The next character. */
  at: number
  /** Where this line ends: at its line end, or at that of the text. */
  end: number
  /** The column at which the line's content begins, behind its blanks; -1 when the document is over. */
  indent: number
}

/** A cursor before the first line. */
export function yamlCursor(source: LockText): YamlCursor {
  const start = source.text.startsWith('\uFEFF') ? 1 : 0
  return { ...source, at: start, end: start - 1, indent: -1 }
}

/**
 * Go on to the next line with content: `line`, or the end of the document or of the file.
 *
 * @throws DepotError `BAD_REQUEST` for directives and for tabs, which may not indent
 */
export function nextLine(cursor: YamlCursor): 'line' | 'document' | 'file' {
  const { text } = cursor
  for (;;) {
    const start = cursor.end + 1
    cursor.indent = -1
    if (start >= text.length) return 'file'
    const found = text.indexOf('\n', start)
    cursor.end = found < 0 ? text.length : found
    cursor.at = behindBlanks(text, start)
    const first = text[cursor.at]
    if (cursor.at >= cursor.end || first === '#' || first === '\r') continue
    if (first === '\t') throw malformed(cursor, cursor.at, 'a tab indents it')
    if (start === cursor.at && MARKER.test(text.slice(start, start + 4))) {
      cursor.at += '---'.length
      if (!isLineOver(cursor)) throw malformed(cursor, start, 'a document begins on the line of its marker')
      return 'document'
    }
    if (start === cursor.at && first === '%') throw malformed(cursor, start, 'directives are not read')
    cursor.indent = cursor.at - start
    return 'line'
  }
}

const MARKER = /^(?:---|\.\.\.)(?:\s|$)/

/** Pass over the lines of a text that stands deeper than a column: literal ones, whatever they look like. */
export function skipDeeper(cursor: YamlCursor, indent: number): void {
  const { text } = cursor
  while (cursor.end + 1 < text.length) {
    const start = cursor.end + 1
    const at = behindBlanks(text, start)
    const isBlank = at >= text.length || text[at] === '\n' || text[at] === '\r'
    if (!isBlank && at - start <= indent) return
    const found = text.indexOf('\n', start)
    cursor.end = found < 0 ? text.length : found
  }
}

function behindBlanks(text: string, start: number): number {
  let at = start
  while (text[at] === ' ') at++
  return at
}

/** Pass over blanks of this line. */
export function skipBlanks(cursor: YamlCursor): void {
  while (cursor.at < cursor.end && BLANK.test(cursor.text[cursor.at] ?? '')) cursor.at++
}

const BLANK = /[ \t\r]/

/** Whether nothing but a comment is left of this line. */
export function isLineOver(cursor: YamlCursor): boolean {
  skipBlanks(cursor)
  return cursor.at >= cursor.end || cursor.text[cursor.at] === '#'
}
