import { LIMITS } from '../../../src/limits.ts'
import { malformed, type LockText, type TextTree, type Tree } from './tree.ts'
import { isLineOver, nextLine, skipBlanks, skipDeeper, yamlCursor, type YamlCursor } from './yaml-cursor.ts'
import { readScalar, takeColon } from './yaml-scalar.ts'

/**
 * The documents of a YAML file, every scalar a text: the part of YAML that pnpm and yarn write, which is block tables and lists, flow
 * ones, and texts on one line. Texts of several lines, such as reasons for a deprecation, are passed over. Anchors, aliases and tags are
 * refused. It takes a time and a memory that grow with the file, which general readers of YAML do not promise.
 *
 * @throws DepotError `BAD_REQUEST` with the line
 */
export function readYamlTrees(source: LockText): Tree[] {
  const merge = source.text.search(/^<{7} /m)
  if (merge >= 0) throw malformed(source, merge, 'a merge was left unfinished')
  const cursor = yamlCursor(source)
  const trees: Tree[] = []
  for (let came = nextLine(cursor); came !== 'file';) {
    if (came === 'document') {
      came = nextLine(cursor)
      continue
    }
    trees.push(readBlock(cursor, 0))
    if (cursor.indent >= 0) throw malformed(cursor, cursor.at, 'it is indented by no level above it')
    came = cursor.end + 1 >= source.text.length ? 'file' : nextLine(cursor)
  }
  return trees
}

/** A table, a list or a text that begins at the cursor; afterwards the cursor is at the line behind it. */
function readBlock(cursor: YamlCursor, depth: number): Tree {
  if (depth > LIMITS.npmLockDepthMax) throw malformed(cursor, cursor.at, 'it is nested too deeply')
  if (isDash(cursor)) return readList(cursor, depth)
  const { at } = cursor
  if (cursor.text[at] === '{' || cursor.text[at] === '[') return endLine(cursor, readFlow(cursor, depth))
  if (isExplicit(cursor)) return readMap(cursor, depth)
  const scalar = readScalar(cursor, false)
  const isKey = takeColon(cursor)
  if (!isKey) return endLine(cursor, scalar)
  cursor.at = at
  return readMap(cursor, depth)
}

function readMap(cursor: YamlCursor, depth: number): Tree {
  const { at, indent } = cursor
  const entries = new Map<string, Tree>()
  do {
    const key = readKey(cursor)
    if (entries.has(key.text)) throw malformed(cursor, key.at, `'${key.text.slice(0, 200)}' stands there twice`)
    entries.set(key.text, readValue(cursor, { indent, depth, besideDashes: true }))
  } while (cursor.indent === indent && !isDash(cursor))
  if (cursor.indent > indent) throw malformed(cursor, cursor.at, 'it is indented by no level above it')
  return { kind: 'map', at, entries }
}

/** `key:`, or for a long one `? key` and `:` on the next line. */
function readKey(cursor: YamlCursor): TextTree {
  const { indent } = cursor
  const explicit = isExplicit(cursor)
  if (explicit) {
    cursor.at++
    skipBlanks(cursor)
  }
  const key = readScalar(cursor, false)
  if (explicit) {
    endLine(cursor, key)
    if (cursor.indent !== indent) throw malformed(cursor, key.at, 'a key has no value')
  }
  if (!takeColon(cursor)) throw malformed(cursor, key.at, 'a key and a colon were expected here')
  return key
}

interface Level {
  readonly indent: number
  readonly depth: number
  /** Whether a list below may stand as deep as this, as it may below a key. */
  readonly besideDashes: boolean
}

/** What stands behind a key or a dash: on its line, or deeper below it. */
function readValue(cursor: YamlCursor, { indent, depth, besideDashes }: Level): Tree {
  const { at } = cursor
  if (isLineOver(cursor)) {
    nextLine(cursor)
    const hasValue = cursor.indent > indent || (besideDashes && cursor.indent === indent && isDash(cursor))
    return hasValue ? readBlock(cursor, depth + 1) : { kind: 'other', at, value: null }
  }
  const first = cursor.text[cursor.at]
  if (first === '|' || first === '>') return passOver(cursor, indent)
  if (first === '{' || first === '[') return endLine(cursor, readFlow(cursor, depth + 1))
  const text = readScalar(cursor, false)
  if (!isLineOver(cursor)) throw malformed(cursor, cursor.at, 'this is not YAML')
  nextLine(cursor)
  return cursor.indent > indent ? goesOn(cursor, text, indent) : text
}

/** A plain text may go on below, deeper than its key. */
function goesOn(cursor: YamlCursor, { quoted, at }: TextTree, indent: number): Tree {
  if (quoted) throw malformed(cursor, cursor.at, 'it is indented by no level above it')
  return passOver(cursor, indent, at)
}

function passOver(cursor: YamlCursor, indent: number, at: number = cursor.at): Tree {
  skipDeeper(cursor, indent)
  nextLine(cursor)
  return { kind: 'other', at, value: null }
}

function readList(cursor: YamlCursor, depth: number): Tree {
  const { at, indent } = cursor
  const items: Tree[] = []
  do {
    items.push(readItem(cursor, { indent, depth, besideDashes: false }))
  } while (cursor.indent === indent && isDash(cursor))
  if (cursor.indent > indent) throw malformed(cursor, cursor.at, 'it is indented by no level above it')
  return { kind: 'list', at, items }
}

/** Behind the dash may stand a table, whose further lines are indented as its first key is. */
function readItem(cursor: YamlCursor, level: Level): Tree {
  const dash = cursor.at
  cursor.at++
  if (isLineOver(cursor)) return readValue(cursor, level)
  if (/[|>]/.test(cursor.text[cursor.at] ?? '')) return passOver(cursor, level.indent)
  cursor.indent = level.indent + cursor.at - dash
  return readBlock(cursor, level.depth + 1)
}

/** `{a: b, c: [d]}`, on one line or several. */
function readFlow(cursor: YamlCursor, depth: number): Tree {
  if (depth > LIMITS.npmLockDepthMax) throw malformed(cursor, cursor.at, 'it is nested too deeply')
  const { at } = cursor
  const first = cursor.text[at]
  if (first !== '{' && first !== '[') return readScalar(cursor, true)
  const close = first === '{' ? '}' : ']'
  const entries = new Map<string, Tree>()
  const items: Tree[] = []
  cursor.at++
  while (atFlow(cursor) !== close) {
    if (close === ']') items.push(readFlow(cursor, depth + 1))
    else readMember(cursor, entries, depth)
    if (atFlow(cursor) === ',') cursor.at++
    else if (atFlow(cursor) !== close) throw malformed(cursor, cursor.at, `a comma or '${close}' was expected here`)
  }
  cursor.at++
  return close === ']' ? { kind: 'list', at, items } : { kind: 'map', at, entries }
}

function readMember(cursor: YamlCursor, entries: Map<string, Tree>, depth: number): void {
  const key = readScalar(cursor, true)
  atFlow(cursor)
  if (!takeColon(cursor)) throw malformed(cursor, cursor.at, 'a key and a colon were expected here')
  if (entries.has(key.text)) throw malformed(cursor, key.at, `'${key.text.slice(0, 200)}' stands there twice`)
  atFlow(cursor)
  entries.set(key.text, readFlow(cursor, depth + 1))
}

/** The next character between braces that is no blank. */
function atFlow(cursor: YamlCursor): string {
  while (isLineOver(cursor)) {
    if (nextLine(cursor) !== 'line') throw malformed(cursor, cursor.at, 'the file ends early')
  }
  return cursor.text[cursor.at] ?? ''
}

function endLine(cursor: YamlCursor, tree: Tree): Tree {
  if (!isLineOver(cursor)) throw malformed(cursor, cursor.at, 'this is not YAML')
  nextLine(cursor)
  return tree
}

function isDash({ text, at, end }: YamlCursor): boolean {
  return text[at] === '-' && (at + 1 >= end || /\s/.test(text[at + 1] ?? ''))
}

function isExplicit({ text, at, end }: YamlCursor): boolean {
  return text[at] === '?' && at + 1 < end && /\s/.test(text[at + 1] ?? '')
}
