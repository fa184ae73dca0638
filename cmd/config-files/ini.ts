import { appendLines, bare, endOf, lineEnd, splitLines } from './lines.ts'

/** How a kind of ini file is read. */
export interface IniDialect {
  /** Whether indented lines go on with the value above them, as in Python's configparser; npm's are trimmed and stand alone. */
  readonly continues: boolean
  /** What stands between key and value. */
  readonly separator: RegExp
  /** Two spellings of a key are the same when this makes them equal. */
  key(name: string): string
}

/** npm: keys as they are, with colons in some of them: `//host:8080/npm/:_authToken`. The last of two counts. */
export const NPMRC: IniDialect = { continues: false, separator: /=/, key: (name) => name }
/** pip: `Index_URL` is `index-url`. */
export const PIP_CONF: IniDialect = {
  continues: true,
  separator: /[=:]/,
  key: (name) => name.toLowerCase().replaceAll('_', '-'),
}

export interface IniPlace {
  /** Empty for what stands before the first section. */
  readonly section: string
  readonly key: string
}

/** The value of a key, or undefined. */
export function getIni(text: string, place: IniPlace, dialect: IniDialect): string | undefined {
  const lines = splitLines(text)
  const found = find(lines, place, dialect).at(-1)
  if (found === undefined) return undefined
  const [first = '', ...more] = lines.slice(found.start, found.end).map(bare)
  return [first.slice(first.search(dialect.separator) + 1), ...more]
    .map((part) => part.trim())
    .filter((part) => part !== '')
    .join('\n')
}

/** Set a key, in its place when it is there, everything else untouched. */
export function setIni(text: string, place: IniPlace, value: string, dialect: IniDialect): string {
  if (getIni(text, place, dialect) === value) return text
  const lines = splitLines(text)
  const written = place.section === '' ? `${place.key}=${value}` : `${place.key} = ${value}`
  const old = find(lines, place, dialect).at(-1)
  if (old !== undefined) {
    const ended = endOf(lines[old.end - 1] ?? '')
    return [...lines.slice(0, old.start), written + ended, ...lines.slice(old.end)].join('')
  }
  const at = sectionEnd(lines, place.section)
  if (at === undefined) return appendLines(text, [`[${place.section}]`, written])
  return appendLines(keepEnd(lines.slice(0, at), lineEnd(text)), [written]) + lines.slice(at).join('')
}

/** Whether a section is there. What stands before the first one always is. */
export function hasSection(text: string, section: string): boolean {
  return sectionEnd(splitLines(text), section) !== undefined
}

/** Remove a key. */
export function removeIni(text: string, place: IniPlace, dialect: IniDialect): string {
  const lines = splitLines(text)
  const old = find(lines, place, dialect).at(-1)
  return old === undefined ? text : lines.toSpliced(old.start, old.end - old.start).join('')
}

/** Remove a section that has nothing in it, not even a comment. */
export function removeEmptySection(text: string, section: string): string {
  const lines = splitLines(text)
  const at = lines.findIndex((line) => sectionOf(line) === section)
  const next = lines[at + 1]
  const empty = at !== -1 && (next === undefined || sectionOf(next) !== undefined)
  return empty ? lines.toSpliced(at, 1).join('') : text
}

/** The lines of every value of this key, the end not included. */
function find(lines: readonly string[], place: IniPlace, dialect: IniDialect): { start: number; end: number }[] {
  const found: { start: number; end: number }[] = []
  let section = ''
  for (const [start, line] of lines.entries()) {
    const opened = sectionOf(line)
    if (opened !== undefined) section = opened
    const key = opened === undefined && section === place.section ? keyOf(line, dialect) : undefined
    if (key !== undefined && dialect.key(key) === dialect.key(place.key)) {
      found.push({ start, end: valueEnd(lines, start + 1, dialect) })
    }
  }
  return found
}

function valueEnd(lines: readonly string[], from: number, { continues }: IniDialect): number {
  let end = from
  while (continues && /^[ \t]+[^\s#;]/.test(lines[end] ?? '')) end++
  return end
}

function sectionOf(line: string): string | undefined {
  return /^\s*\[(?<name>[^\]]*)\]/.exec(line)?.groups?.['name']
}

function keyOf(line: string, { continues, separator }: IniDialect): string | undefined {
  if (/^\s*(?:[#;]|$)/.test(line) || (continues && /^\s/.test(line))) return undefined
  const at = line.search(separator)
  return at === -1 ? undefined : line.slice(0, at).trim()
}

/** Where a new key of the section goes: behind its last line that is not blank. */
function sectionEnd(lines: readonly string[], section: string): number | undefined {
  const opens = section === '' ? -1 : lines.findIndex((line) => sectionOf(line) === section)
  if (section !== '' && opens === -1) return undefined
  const next = lines.findIndex((line, index) => index > opens && sectionOf(line) !== undefined)
  let end = next === -1 ? lines.length : next
  while (end - 1 > opens && (lines[end - 1] ?? '').trim() === '') end--
  return end
}

/** The text of some lines, ended as the whole text is. */
function keepEnd(lines: readonly string[], end: string): string {
  const text = lines.join('')
  return text === '' || text.endsWith('\n') ? text : `${text}${end}`
}
