import { malformed, type LockText, type TextTree } from './tree.ts'

/** One paragraph of a yarn.lock v1: which requests it answers, and what it says of the package. */
export interface YarnEntry {
  readonly at: number
  /** `name@range`, one or more. */
  readonly patterns: readonly string[]
  /** `version`, `resolved`, `integrity`; what stands deeper is checked and dropped. */
  readonly fields: ReadonlyMap<string, TextTree>
}

/**
 * The grammar of yarn 1's lock file: lines whose depth is two blanks a level, of words that are bare or in JSON's quotes.
 *
 * @throws DepotError `BAD_REQUEST` with the line
 */
export function readYarnEntries(source: LockText): YarnEntry[] {
  const entries: { at: number; patterns: string[]; fields: Map<string, TextTree> }[] = []
  let deepest = 0
  for (const { at, depth, words, opens } of lines(source)) {
    if (depth > deepest) throw malformed(source, at, 'it stands deeper than it may')
    const entry = entries.at(-1)
    if (depth === 0) {
      if (!opens) throw malformed(source, at, 'a package was expected here: "name@range":')
      entries.push({ at, patterns: words.map(({ text }) => text), fields: new Map() })
    } else if (depth === 1 && entry !== undefined && !opens) {
      const [key, value] = words
      if (key === undefined || value === undefined || words.length !== 2)
        throw malformed(source, at, 'a name and a value were expected here')
      entry.fields.set(key.text, value)
    }
    deepest = opens ? depth + 1 : depth
  }
  return entries
}

interface Line {
  readonly at: number
  readonly depth: number
  readonly words: readonly TextTree[]
  /** It ends in a colon: what is below it stands deeper. */
  readonly opens: boolean
}

function* lines(source: LockText): Generator<Line> {
  const { text } = source
  let start = text.startsWith('\uFEFF') ? 1 : 0
  while (start < text.length) {
    const found = text.indexOf('\n', start)
    const end = found < 0 ? text.length : found
    const line = readLine(source, start, end)
    if (line !== undefined) yield line
    start = end + 1
  }
}

function readLine(source: LockText, start: number, end: number): Line | undefined {
  const line = source.text.slice(start, end).trimEnd()
  const indent = line.length - line.trimStart().length
  if (line.length === indent || line[indent] === '#') return undefined
  if (/^(?:<{7}|={7}|>{7})/.test(line)) throw malformed(source, start, 'a merge was left unfinished')
  if (indent % 2 !== 0 || line.slice(0, indent).trim() !== '' || indent > DEPTH_MAX * 2)
    throw malformed(source, start, 'it is indented by no level of a yarn.lock')
  const opens = line.endsWith(':')
  const words = readWords(source, start, { line: opens ? line.slice(0, -1) : line, from: indent })
  return { at: start, depth: indent / 2, words, opens }
}

/** `dependencies:` of a package, and what stands below. */
const DEPTH_MAX = 2

function readWords(
  source: LockText,
  start: number,
  { line, from }: { readonly line: string; readonly from: number },
): TextTree[] {
  const words: TextTree[] = []
  let at = from
  while (at < line.length) {
    const spelled = line[at] === '"' ? quotedAt(line, at) : bareAt(line, at)
    if (spelled === '') throw malformed(source, start, 'this is not of a yarn.lock')
    words.push(wordAt(source, start + at, spelled))
    at += spelled.length
    GAP.lastIndex = at
    const gap = GAP.exec(line)?.[0] ?? ''
    if (gap === '' && at < line.length) throw malformed(source, start, 'this is not of a yarn.lock')
    at += gap.length
  }
  return words
}

/** With its quotes; nothing when it does not end. */
function quotedAt(line: string, start: number): string {
  let end = line.indexOf('"', start + 1)
  while (end >= 0 && isEscaped(line, end)) end = line.indexOf('"', end + 1)
  return end < 0 ? '' : line.slice(start, end + 1)
}

function isEscaped(line: string, at: number): boolean {
  let backslashes = 0
  while (line[at - 1 - backslashes] === '\\') backslashes++
  return backslashes % 2 === 1
}

function bareAt(line: string, start: number): string {
  BARE.lastIndex = start
  return BARE.exec(line)?.[0] ?? ''
}

const BARE = /[^\s:,"]+/y
const GAP = /[ \t]*[,:]?[ \t]*/y

function wordAt(source: LockText, at: number, spelled: string): TextTree {
  if (!spelled.startsWith('"')) return { kind: 'text', at, end: at + spelled.length, text: spelled, quoted: false }
  try {
    const text = JSON.parse(spelled) as string
    return { kind: 'text', at: at + 1, end: at + spelled.length - 1, text, quoted: true }
  } catch {
    throw malformed(source, at, 'a text has an escape that JSON does not know')
  }
}
