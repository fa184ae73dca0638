import { LIMITS } from '../../../src/limits.ts'
import { malformed, type LockText, type Tree } from './tree.ts'

/** How far the reading came. */
interface Cursor extends LockText {
  at: number
  /** Whether comments and a comma before a closing bracket may stand there, as in bun.lock. */
  readonly lenient: boolean
}

/**
 * JSON (RFC 8259) with the offsets of its texts; of two equal keys the later counts, as for `JSON.parse`.
 *
 * @param lenient bun's JSON: comments and trailing commas
 * @throws DepotError `BAD_REQUEST` with the line, also for what is nested too deeply
 */
export function readJsonTree(source: LockText, { lenient }: { readonly lenient: boolean }): Tree {
  const cursor: Cursor = { ...source, lenient, at: source.text.startsWith('\uFEFF') ? 1 : 0 }
  const tree = readValue(cursor, 0)
  skipBlanks(cursor)
  if (cursor.at < cursor.text.length) throw unexpected(cursor)
  return tree
}

function readValue(cursor: Cursor, depth: number): Tree {
  if (depth > LIMITS.npmLockDepthMax) throw malformed(cursor, cursor.at, 'it is nested too deeply')
  skipBlanks(cursor)
  const { at } = cursor
  const first = cursor.text[at]
  if (first === '{') return { kind: 'map', at, entries: new Map(readMembers(cursor, depth)) }
  if (first === '[') return { kind: 'list', at, items: readItems(cursor, depth) }
  if (first === '"') {
    const text = readString(cursor)
    return { kind: 'text', at: at + 1, end: cursor.at - 1, text, quoted: true }
  }
  const word = take(cursor, WORD)
  if (word === undefined) throw unexpected(cursor)
  return { kind: 'other', at, value: JSON.parse(word) as number | boolean | null }
}

function readMembers(cursor: Cursor, depth: number): [string, Tree][] {
  return readList(cursor, '}', () => {
    if (cursor.text[cursor.at] !== '"') throw unexpected(cursor)
    const key = readString(cursor)
    skipBlanks(cursor)
    expect(cursor, ':')
    return [key, readValue(cursor, depth + 1)]
  })
}

function readItems(cursor: Cursor, depth: number): Tree[] {
  return readList(cursor, ']', () => readValue(cursor, depth + 1))
}

function readList<T>(cursor: Cursor, close: string, readOne: () => T): T[] {
  const items: T[] = []
  cursor.at++
  for (;;) {
    skipBlanks(cursor)
    if (cursor.text[cursor.at] === close && (items.length === 0 || cursor.lenient)) break
    items.push(readOne())
    skipBlanks(cursor)
    if (cursor.text[cursor.at] === close) break
    expect(cursor, ',')
  }
  cursor.at++
  return items
}

function readString(cursor: Cursor): string {
  const start = cursor.at++
  for (;;) {
    take(cursor, PLAIN)
    const next = cursor.text[cursor.at]
    if (next === '"') break
    if (next !== '\\') throw malformed(cursor, cursor.at, 'a text does not end')
    cursor.at += 2
  }
  cursor.at++
  const spelled = cursor.text.slice(start, cursor.at)
  if (!spelled.includes('\\')) return spelled.slice(1, -1)
  try {
    return JSON.parse(spelled) as string
  } catch {
    throw malformed(cursor, start, 'a text has an escape that JSON does not know')
  }
}

function skipBlanks(cursor: Cursor): void {
  take(cursor, BLANKS)
  while (cursor.lenient && skipComment(cursor)) take(cursor, BLANKS)
}

function skipComment(cursor: Cursor): boolean {
  const { text, at } = cursor
  const end = text.startsWith('//', at) ? '\n' : text.startsWith('/*', at) ? '*/' : undefined
  if (end === undefined) return false
  const found = text.indexOf(end, at + 2)
  if (found < 0 && end === '*/') throw malformed(cursor, at, 'a comment does not end')
  cursor.at = found < 0 ? text.length : found + end.length
  return true
}

function expect(cursor: Cursor, character: string): void {
  if (cursor.text[cursor.at] !== character) throw unexpected(cursor)
  cursor.at++
}

function unexpected(cursor: Cursor): Error {
  if (cursor.at >= cursor.text.length) return malformed(cursor, cursor.at, 'the file ends early')
  if (cursor.text.startsWith('<<<<<<<', cursor.at)) return malformed(cursor, cursor.at, 'a merge was left unfinished')
  return malformed(cursor, cursor.at, 'this is not JSON')
}

/** What a sticky pattern matches here; the cursor goes behind it. */
function take(cursor: Cursor, pattern: RegExp): string | undefined {
  pattern.lastIndex = cursor.at
  const found = pattern.exec(cursor.text)?.[0]
  cursor.at += found?.length ?? 0
  return found
}

const BLANKS = /[ \t\n\r]*/y
/** Control characters do not stand in texts. */
// oxlint-disable-next-line no-control-regex
const PLAIN = /[^"\\\u0000-\u001F]*/y
const WORD = /(?:true|false|null|-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?)(?![\w.+-])/y
