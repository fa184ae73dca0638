import { distance } from 'fastest-levenshtein'
import { z } from 'zod'

import type { Grant } from '../src/access.ts'
import { DepotError } from '../src/errors.ts'
import { LIMITS } from '../src/limits.ts'
import { parseGrants } from './grants.ts'

/** What the words behind a key say. */
export interface KeyComment {
  /** The words that narrow nothing, cut to `LIMITS.authCommentLengthMax` characters. */
  readonly comment: string
  readonly scope?: readonly Grant[]
  /** Milliseconds since 1970, the first moment at which the key is no longer good. */
  readonly expiresAt?: number
}

/**
 * Find `scope=` and `expires=` among the words of a comment. Whatever looks as if one of them was meant is refused: read as mere
 * comment, a slip of the finger would leave the key with all its rights.
 *
 * @throws DepotError `BAD_REQUEST`
 */
export function readComment(words: readonly string[], ecosystems: readonly string[]): KeyComment {
  const values = new Map<string, string>()
  const others: string[] = []
  for (const word of words) {
    const { name, value } = NARROWING.exec(word)?.groups ?? {}
    if (name === undefined || value === undefined) others.push(word)
    else if (values.has(name)) throw refused(`${name}= stands twice`)
    else values.set(name, value)
  }
  if (others.some(looksLikeNarrowing) || beforeEquals(others.join('')).some(endsInSlip))
    throw refused(`a word looks like scope= or expires= and is neither: ${FORMS}`)
  const [scope, expires] = [values.get('scope'), values.get('expires')]
  return {
    comment: others.join(' ').slice(0, LIMITS.authCommentLengthMax).toWellFormed(),
    ...(scope === undefined ? {} : { scope: parseGrants(scope, ecosystems) }),
    ...(expires === undefined ? {} : { expiresAt: parseEnd(expires) }),
  }
}

const NARROWING = /^(?<name>scope|expires)=(?<value>.*)$/
const NAMES = ['scope', 'expires']
const FORMS = 'they are words of their own, as in scope=npm:read:* expires=2030-12-31'
/** No slip makes a longer word of one of the names. */
const SLIP_LENGTH_MAX = 24
const SLIPS_MAX = 2
const DAY_MS = 24 * 60 * 60 * 1000

const DATE = z.iso.date()
/** RFC 3339, with `T` and `Z` in capitals. */
const TIME = z.iso.datetime({ offset: true })

/** A day is good to its end in UTC. */
function parseEnd(text: string): number {
  if (text.length > SLIP_LENGTH_MAX * 2) throw wrongEnd()
  if (DATE.safeParse(text).success) return Date.parse(text) + DAY_MS
  if (TIME.safeParse(text).success) return Date.parse(text)
  throw wrongEnd()
}

function looksLikeNarrowing(word: string): boolean {
  const folded = fold(word)
  const isGrant = /:(?:read|write|delete|admin|\*):/.test(folded)
  return isGrant || NAMES.some((name) => folded.startsWith(name)) || beforeEquals(word).some(isSlip)
}

/** Whether this is nearly a name, or ends in what is: `socpe`, `deploy@ci;scopes`, `expires-at`. */
function isSlip(end: string): boolean {
  const letters = /[\p{L}\p{N}]*$/u.exec(end)?.[0] ?? ''
  const near = [end, letters].some((each) => NAMES.some((name) => distance(each, name) <= SLIPS_MAX))
  return near || end.includes('scope') || end.includes('expir')
}

/** For names that a space took apart, once it is gone, glued to what was before them. */
function endsInSlip(text: string): boolean {
  return NAMES.some((name) => [-1, 0, 1].some((more) => distance(text.slice(-(name.length + more)), name) <= 1))
}

/** What stands before each `=`, as far as it matters. */
function beforeEquals(text: string): readonly string[] {
  const folded = fold(text)
  return [...folded.matchAll(/=/g)].map(({ index }) => folded.slice(Math.max(0, index - SLIP_LENGTH_MAX), index))
}

function fold(text: string): string {
  return text.normalize('NFKC').toLowerCase()
}

function wrongEnd(): DepotError {
  return refused(
    'expires= wants a day like 2030-12-31, which is good to its end in UTC, or a time like 2030-12-31T12:00:00Z',
  )
}

function refused(message: string): DepotError {
  return new DepotError('BAD_REQUEST', message)
}
