import { malformed, type TextTree } from './tree.ts'
import { skipBlanks, type YamlCursor } from './yaml-cursor.ts'

/**
 * A text on one line, plain or in quotes; the cursor goes behind it.
 *
 * @param inFlow between braces or brackets, where commas and closing ones end a plain text
 * @throws DepotError `BAD_REQUEST`
 */
export function readScalar(cursor: YamlCursor, inFlow: boolean): TextTree {
  const first = cursor.text[cursor.at] ?? ''
  if (first === '"') return doubleQuoted(cursor)
  if (first === "'") return singleQuoted(cursor)
  const refused = REFUSED.get(first)
  if (refused !== undefined) throw malformed(cursor, cursor.at, refused)
  return plainText(cursor, inFlow)
}

/** A few aliases can stand for more than any memory holds. No client writes these. */
const REFUSED: ReadonlyMap<string, string> = new Map([
  ['*', 'it has an alias, which no client writes'],
  ['&', 'it has an anchor, which no client writes'],
  ['!', 'it has a tag, which no client writes'],
  ...['@', '`', '%', ',', ']', '}', '|', '>', ''].map((first) => [first, 'this is not YAML'] as const),
])

/** Up to a comment, to a colon with a blank behind it, or to the end of the line. */
function plainText(cursor: YamlCursor, inFlow: boolean): TextTree {
  const { text, at } = cursor
  const ends = inFlow ? ENDS_IN_FLOW : ENDS
  let end = at
  for (let next = at; next < cursor.end; next++) {
    const character = text[next] ?? ''
    if (BLANKS.has(character)) continue
    if (ends.has(character)) break
    const behind = next + 1 < cursor.end ? (text[next + 1] ?? '') : ' '
    if (character === ':' && (BLANKS.has(behind) || ends.has(behind))) break
    if (character === '#' && next > end) break
    end = next + 1
  }
  if (end === at) throw malformed(cursor, at, 'this is not YAML')
  cursor.at = end
  return { kind: 'text', at, end, text: text.slice(at, end), quoted: false }
}

const BLANKS: ReadonlySet<string> = new Set([' ', '\t', '\r'])
const ENDS: ReadonlySet<string> = new Set()
const ENDS_IN_FLOW: ReadonlySet<string> = new Set([',', '[', ']', '{', '}'])

function singleQuoted(cursor: YamlCursor): TextTree {
  const start = cursor.at + 1
  let end = cursor.text.indexOf("'", start)
  while (end >= 0 && cursor.text[end + 1] === "'") end = cursor.text.indexOf("'", end + 2)
  return quotedText(cursor, end, (spelled) => spelled.replaceAll("''", "'"))
}

function doubleQuoted(cursor: YamlCursor): TextTree {
  const { text } = cursor
  let end = cursor.at + 1
  while (end < cursor.end && text[end] !== '"') end += text[end] === '\\' ? 2 : 1
  return quotedText(cursor, end, (spelled) => {
    if (!spelled.includes('\\')) return spelled
    try {
      // YAML knows more escapes than JSON; of them, clients write this one.
      return JSON.parse(`"${spelled.replaceAll(HEX, '$1\\u00$2').replaceAll('\t', '\\t')}"`) as string
    } catch {
      throw malformed(cursor, cursor.at, 'a text has an escape that is not known')
    }
  })
}

/** Behind an even number of backslashes. */
const HEX = /(?<!\\)((?:\\\\)*)\\x([0-9a-fA-F]{2})/g

function quotedText(cursor: YamlCursor, end: number, unescaped: (spelled: string) => string): TextTree {
  if (end < 0 || end >= cursor.end) throw malformed(cursor, cursor.at, 'a text in quotes does not end on its line')
  const at = cursor.at + 1
  const text = unescaped(cursor.text.slice(at, end))
  cursor.at = end + 1
  return { kind: 'text', at, end, text, quoted: true }
}

/** Whether a colon that ends a key stands here; the cursor goes behind it. */
export function takeColon(cursor: YamlCursor): boolean {
  skipBlanks(cursor)
  const next = cursor.text[cursor.at + 1]
  if (cursor.text[cursor.at] !== ':' || (cursor.at + 1 < cursor.end && !/\s/.test(next ?? ''))) return false
  cursor.at++
  return true
}
