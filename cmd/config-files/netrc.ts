import { lineEnd } from './lines.ts'
import { isStoredToken } from './stored-token.ts'

/**
 * Set the password of one machine in a netrc (curl's and Python's dialect), everything else untouched. The entry stands on one line,
 * because not every reader takes several, and with a login, because curl wants one. It comes before `default` and before macros:
 * readers stop at the first entry that fits.
 *
 * @returns undefined when somebody else's entry for this machine is in the way: its password is no token of a depot.
 */
export function setNetrc(text: string, host: string, password: string): string | undefined {
  const entries = parse(text)
  const own = entries.find(({ name }) => name === host)
  if (own !== undefined) {
    const { password: old } = own
    if (old === undefined || !isStoredToken(old.value)) return undefined
    return text.slice(0, old.start) + password + text.slice(old.end)
  }
  const line = `machine ${host} login depot password ${password}${lineEnd(text)}`
  const place = entries.find(({ word }) => word !== 'machine')?.start ?? text.length
  const before = text.slice(0, place)
  const gap = before === '' || before.endsWith('\n') ? '' : lineEnd(text)
  return before + gap + line + text.slice(place)
}

/** Remove the entry of a machine, if its password is one of our tokens, with the line that it has for itself. */
export function removeNetrc(text: string, host: string, isOurs: (password: string) => boolean): string {
  const own = parse(text).find(({ name, password }) => name === host && isOurs(password?.value ?? ''))
  if (own === undefined) return text
  const lineStart = text.lastIndexOf('\n', own.start - 1) + 1
  const startsLine = text.slice(lineStart, own.start).trim() === ''
  const rest = /^[ \t]*(?:\r?\n|$)/.exec(text.slice(own.end))?.[0]
  return startsLine && rest !== undefined
    ? text.slice(0, lineStart) + text.slice(own.end + rest.length)
    : text.slice(0, own.start) + text.slice(own.end)
}

/** The credentials for a machine: of the first entry for it, or of `default`. */
export function netrcLogin(
  text: string,
  host: string,
): { readonly login: string; readonly password: string } | undefined {
  const found = parse(text).find(({ word, name }) => word === 'default' || (word === 'machine' && name === host))
  return found?.password && { login: found.login?.value ?? '', password: found.password.value }
}

interface Word {
  readonly value: string
  readonly start: number
  readonly end: number
}

interface Entry {
  readonly word: 'machine' | 'default' | 'macdef'
  readonly name: string
  readonly login?: Word
  readonly password?: Word
  readonly start: number
  /** Behind the last word of it. */
  readonly end: number
}

/** A comment, a quoted word or a plain one, and the blanks before it. */
const WORD = /\s*(?:(?<comment>#[^\n]*)|"(?<quoted>(?:[^"\\\n]|\\.)*)"|(?<plain>\S+))/y

function parse(text: string): Entry[] {
  const entries: Entry[] = []
  let at = 0
  for (let word = next(text, at); word !== undefined; word = next(text, at)) {
    at = word.end
    if (word.value !== 'machine' && word.value !== 'default' && word.value !== 'macdef') continue
    const entry = word.value === 'macdef' ? macro(text, word) : machine(text, word)
    entries.push(entry)
    at = entry.end
  }
  return entries
}

/** A macro ends at the first empty line, and what stands in it is no entry. */
function macro(text: string, { start, end }: Word): Entry {
  const blank = /\n[ \t]*\r?\n/.exec(text.slice(end))
  return { word: 'macdef', name: '', start, end: blank === null ? text.length : end + blank.index + blank[0].length }
}

function machine(text: string, first: Word): Entry {
  const word = first.value === 'default' ? 'default' : 'machine'
  const named = word === 'machine' ? next(text, first.end) : undefined
  const entry = { word, name: named?.value ?? '', start: first.start, end: named?.end ?? first.end } as const
  let end = entry.end
  let login: Word | undefined
  let password: Word | undefined
  for (let key = next(text, end); key !== undefined && FIELDS.has(key.value); key = next(text, end)) {
    const value = next(text, key.end)
    if (key.value === 'password') password = value
    if (key.value === 'login' || key.value === 'user') login = value
    end = value?.end ?? key.end
  }
  return { ...entry, end, ...(login === undefined ? {} : { login }), ...(password === undefined ? {} : { password }) }
}

const FIELDS = new Set(['login', 'user', 'account', 'password'])

function next(text: string, from: number): Word | undefined {
  WORD.lastIndex = from
  for (let found = WORD.exec(text); found !== null; found = WORD.exec(text)) {
    const { comment, quoted, plain } = found.groups ?? {}
    if (comment !== undefined) continue
    const value = quoted ?? plain ?? ''
    const raw = quoted === undefined ? value.length : quoted.length + 2
    return { value, start: WORD.lastIndex - raw, end: WORD.lastIndex }
  }
  return undefined
}
