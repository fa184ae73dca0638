import { LIMITS } from '../../../src/limits.ts'
import { malformed } from './lock-error.ts'

/** What one line of a requirements file says. */
export type RequirementsLine =
  | { readonly kind: 'requirement'; readonly text: string; readonly hashes: readonly string[] }
  | { readonly kind: 'option'; readonly name: string; readonly value: string }

/** A line, and where it stands: `requirements.txt:12`. */
export type PlacedLine = RequirementsLine & { readonly where: string }

/**
 * The lines of a requirements file as pip reads them: joined where they end in a backslash, without comments, options by their long
 * names. A variable such as `${TOKEN}` stays as it is written.
 *
 * @throws DepotError `BAD_REQUEST` with the file and the line
 */
export function requirementsLines(filename: string, text: string): readonly PlacedLine[] {
  return joinedLines(text).flatMap(({ number, line }) => {
    const where = `${filename}:${number}`
    const content = line.replace(/(?:^|\s)#.*$/, '').trim()
    if (content === '') return []
    if (content.length > LIMITS.requirementsLineCharsMax) throw malformed(where, 'the line is too long')
    return parseLine(where, content).map((parsed) => ({ ...parsed, where }))
  })
}

interface Joined {
  /** From 1 on, of its first line. */
  readonly number: number
  readonly line: string
}

function joinedLines(text: string): readonly Joined[] {
  const joined: Joined[] = []
  let open: { number: number; parts: string[] } | undefined
  for (const [index, line] of text
    .replace(/^\uFEFF/, '')
    .split(/\r\n|\n|\r/)
    .entries()) {
    const isComment = /^\s*#/.test(line)
    const current = open ?? { number: index + 1, parts: [] }
    // As pip does: a comment ends what was going on, and what it ends in means nothing.
    const goesOn = !isComment && line.endsWith('\\')
    current.parts.push(goesOn ? line.slice(0, -1) : isComment && open !== undefined ? ` ${line}` : line)
    open = goesOn ? current : undefined
    if (!goesOn) joined.push({ number: current.number, line: current.parts.join('') })
  }
  if (open !== undefined) joined.push({ number: open.number, line: open.parts.join('') })
  return joined
}

function parseLine(where: string, content: string): readonly RequirementsLine[] {
  // What it asks for ends where a word begins with a dash.
  const at = content.startsWith('-') ? 0 : content.search(/\s-/)
  const text = (at < 0 ? content : content.slice(0, at)).trim()
  const options = at < 0 ? [] : parseOptions(where, content.slice(at).trim())
  if (text === '') return options
  const hashes = options.filter(({ name }) => name === 'hash').map(({ value }) => value)
  return [{ kind: 'requirement', text, hashes }]
}

type Option = Extract<RequirementsLine, { kind: 'option' }>

function parseOptions(where: string, text: string): readonly Option[] {
  const words = [...text.matchAll(/(?:[^\s"']|"[^"]*"|'[^']*')+/g)].map(([word]) =>
    word.replace(/(["'])(.*?)\1/g, '$2'),
  )
  const options: Option[] = []
  for (let index = 0; index < words.length; index++) {
    const word = words[index] ?? ''
    const [, written = '', attached] = /^(--[a-z-]+|-[a-zA-Z])(?:=?(.+))?$/s.exec(word) ?? []
    const name = Object.hasOwn(NAMES, written) ? NAMES[written] : undefined
    if (name === undefined) throw malformed(where, `'${word.slice(0, 80)}' is no option of a requirements file`)
    if (SWITCHES.has(name)) {
      options.push({ kind: 'option', name, value: '' })
      continue
    }
    const value = attached ?? words[++index]
    if (value === undefined) throw malformed(where, `${written} wants a value`)
    options.push({ kind: 'option', name, value })
  }
  return options
}

/** pip's own, by every name that it takes. */
const NAMES: Readonly<Record<string, string>> = {
  '-r': 'requirement',
  '-c': 'constraint',
  '-e': 'editable',
  '-i': 'index-url',
  '-f': 'find-links',
  '--pypi-url': 'index-url',
  ...Object.fromEntries(
    [
      'requirement',
      'constraint',
      'editable',
      'index-url',
      'extra-index-url',
      'no-index',
      'find-links',
      'no-binary',
      'only-binary',
      'prefer-binary',
      'require-hashes',
      'pre',
      'all-releases',
      'only-final',
      'trusted-host',
      'use-feature',
      'hash',
      'config-settings',
      'config-setting',
      'global-option',
      'install-option',
      'uploaded-prior-to',
      'no-build-isolation',
    ].map((name) => [`--${name}`, name]),
  ),
}

const SWITCHES: ReadonlySet<string> = new Set([
  'no-index',
  'prefer-binary',
  'require-hashes',
  'pre',
  'no-build-isolation',
])
