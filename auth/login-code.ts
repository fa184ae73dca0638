/** A login's code as people see it, and the secret that its client polls with. */
export interface LoginSecret {
  /** Eight letters. */
  readonly code: string
  /** 43 characters, base62. */
  readonly secret: string
}

/** Letters that are not taken for one another or for digits, and spell no words (RFC 8628 §6.1). */
const LETTERS = 'BCDFGHJKLMNPQRSTVWXZ'
const CODE_LENGTH = 8
const TYPED = /^(?<start>[BCDFGHJKLMNPQRSTVWXZ]{4})-?(?<end>[BCDFGHJKLMNPQRSTVWXZ]{4})$/i
const SECRET = /^dpt_login_(?<code>[BCDFGHJKLMNPQRSTVWXZ]{8})_(?<secret>[0-9A-Za-z]{43})$/

/** @param random numbers from 0 to below `LETTERS_COUNT` */
export function codeOf(random: () => number): string {
  return Array.from({ length: CODE_LENGTH }, () => LETTERS[random()] ?? '').join('')
}

/** How many letters a code may have in each of its places. */
export const LETTERS_COUNT = LETTERS.length

/** `ABCD-EFGH` */
export function shownCode(code: string): string {
  return `${code.slice(0, CODE_LENGTH / 2)}-${code.slice(CODE_LENGTH / 2)}`
}

/** The code that a person typed, in any case and with or without its hyphen; undefined when it is none. */
export function parseCode(text: string): string | undefined {
  const groups = TYPED.exec(text)?.groups
  return groups === undefined ? undefined : `${groups['start']}${groups['end']}`.toUpperCase()
}

/** `dpt_login_<code>_<secret>` */
export function printLoginSecret({ code, secret }: LoginSecret): string {
  return `dpt_login_${code}_${secret}`
}

/** What `printLoginSecret` printed; undefined for anything else. */
export function parseLoginSecret(text: string): LoginSecret | undefined {
  const groups = SECRET.exec(text)?.groups
  return groups === undefined ? undefined : { code: groups['code'] ?? '', secret: groups['secret'] ?? '' }
}
