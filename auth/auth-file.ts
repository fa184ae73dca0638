import type { Grant } from '../src/access.ts'
import { DepotError } from '../src/errors.ts'
import { LIMITS } from '../src/limits.ts'
import { readComment } from './key-comment.ts'
import { parsePublicKey, type PublicKey } from './public-key.ts'

/** An SSH key of the auth file, and what its owner may do. */
export interface AuthKey {
  readonly fingerprint: string
  /** `w` includes `r`. */
  readonly permission: 'r' | 'w'
  /** Whose key it is, without the narrowing words; at most `LIMITS.authCommentLengthMax` characters. */
  readonly comment: string
  /** What the letter permits, and a layer for every `scope=` that narrows it. */
  readonly limits: readonly (readonly Grant[])[]
  /** Milliseconds since 1970 from which on the key is no longer good. It is judged when a login comes, not here. */
  readonly expiresAt?: number
  readonly publicKey: PublicKey
}

/** What one text of an auth file says. */
export interface AuthFileContent {
  /** By fingerprint. Expired ones too. */
  readonly keys: ReadonlyMap<string, AuthKey>
  /** Whether reading needs a key: some line begins with `r`, or there are no keys at all, since then nobody may do anything. */
  readonly hasReadKeys: boolean
  /** Sentences for the operator about what is allowed and still looks wrong. */
  readonly warnings: readonly string[]
}

/** The keys that count at one moment while an auth file is followed. */
export interface AuthKeys extends Pick<AuthFileContent, 'keys'> {
  /** As in `AuthFileContent`, or because an earlier content had one: what was closed to the world does not open because a line went. */
  readonly hasReadKeys: boolean
  /** Counts up with every change that was taken: what was decided under another number is decided anew. */
  readonly generation: number
}

export interface AuthFileOptions {
  /** Names that grants may use. */
  readonly ecosystems: readonly string[]
  /** Milliseconds since 1970: only to warn of keys that have expired. */
  readonly now: number
}

/**
 * Read an auth file: `<r|w> <type> <base64> [comment]` a line, with words `scope=<grants>` and `expires=<date or time>` in the comment,
 * which only narrow. Empty lines and those that begin with `#` are skipped.
 *
 * A key that stands twice gets the higher of its letters, and every narrowing of all its lines: so no line widens what another one
 * narrows.
 *
 * @throws DepotError `BAD_REQUEST` naming every bad line by its number, and showing next to nothing of it.
 */
export function parseAuthFile(text: string, options: AuthFileOptions): AuthFileContent {
  if (text.length > LIMITS.authFileBytesMax) throw refused(`it is longer than ${LIMITS.authFileBytesMax} bytes`)
  const lines = readLines(text, options.ecosystems)
  if (lines.length > LIMITS.authKeysMax) throw refused(`it has more than ${LIMITS.authKeysMax} keys`)
  const keys = new Map<string, NumberedKey>()
  const warnings: string[] = []
  for (const line of lines) {
    const known = keys.get(line.fingerprint)
    if (known !== undefined) warnings.push(sameKey(known, line))
    keys.set(line.fingerprint, known === undefined ? line : together(known, line))
  }
  for (const key of keys.values()) warnings.push(...warningsOf(key, options.now))
  return {
    keys,
    hasReadKeys: keys.size === 0 || lines.some(({ permission }) => permission === 'r'),
    warnings,
  }
}

/**
 * The key of this fingerprint, unless it has expired.
 *
 * @param now milliseconds since 1970
 */
export function liveKey({ keys }: Pick<AuthKeys, 'keys'>, fingerprint: string, now: number): AuthKey | undefined {
  const key = keys.get(fingerprint)
  return key === undefined || now >= (key.expiresAt ?? Infinity) ? undefined : key
}

interface NumberedKey extends AuthKey {
  /** Its line, from 1. */
  readonly line: number
}

const BYTE_ORDER_MARK = '\ufeff'
/** Everything that an eye takes for a space or for nothing: it could keep a narrowing word from being seen as one. */
const UNSEEN = /[^\P{C}\t]|[^\P{Z} ]/u
const BAD_LINES_SHOWN = 20
const RSA_BITS_ADVISED = 3072
const GRAMMAR = 'it is <r|w> <type> <base64> [comment]'
/** What may stand before the key in OpenSSH's authorized_keys (sshd(8)). */
const OPENSSH_OPTION =
  /^(?<name>command|environment|from|restrict|principals|tunnel|expiry-time|verify-required|cert-authority|permit(?:open|listen)|(?:no-)?(?:agent-forwarding|port-forwarding|x11-forwarding|pty|user-rc|touch-required))(?=[=,]|$)/i
const BASE_LIMITS: Readonly<Record<AuthKey['permission'], readonly Grant[]>> = {
  r: [{ ecosystem: '*', action: 'read', pattern: '*' }],
  w: [{ ecosystem: '*', action: '*', pattern: '*' }],
}

function readLines(text: string, ecosystems: readonly string[]): readonly NumberedKey[] {
  const keys: NumberedKey[] = []
  const bad: string[] = []
  const lines = (text.startsWith(BYTE_ORDER_MARK) ? text.slice(1) : text).split(/\r?\n/)
  for (const [index, line] of lines.entries()) {
    try {
      const key = readLine(line, ecosystems)
      if (key !== undefined) keys.push({ ...key, line: index + 1 })
    } catch (error) {
      if (!(error instanceof DepotError)) throw error
      bad.push(`line ${index + 1}: ${error.message}`)
    }
  }
  if (bad.length === 0) return keys
  const more = bad.length > BAD_LINES_SHOWN ? [`and ${bad.length - BAD_LINES_SHOWN} more bad lines`] : []
  throw refused([...bad.slice(0, BAD_LINES_SHOWN), ...more].join('; '))
}

function readLine(line: string, ecosystems: readonly string[]): AuthKey | undefined {
  if (line.length > LIMITS.authLineLengthMax) throw refused(`it is longer than ${LIMITS.authLineLengthMax} characters`)
  if (/^[ \t]*(?:#|$)/.test(line)) return undefined
  if (UNSEEN.test(line)) throw refused('it has a character that cannot be seen, or a space that is none')
  const [letter = '', type = '', base64, ...words] = line.split(/[ \t]+/).filter((word) => word !== '')
  const option = OPENSSH_OPTION.exec(letter)?.groups?.['name'] ?? OPENSSH_OPTION.exec(type)?.groups?.['name']
  if (option !== undefined) throw refused(`options of OpenSSH, like ${option.toLowerCase()}, are refused: ${GRAMMAR}`)
  if (letter !== 'r' && letter !== 'w') throw refused(`it begins with neither r nor w: ${GRAMMAR}`)
  if (base64 === undefined) throw refused(`it has no key: ${GRAMMAR}`)
  const publicKey = parsePublicKey(type, base64)
  const { comment, scope, expiresAt } = readComment(words, ecosystems)
  return {
    fingerprint: publicKey.fingerprint,
    permission: letter,
    comment,
    limits: [BASE_LIMITS[letter], ...(scope === undefined ? [] : [scope])],
    ...(expiresAt === undefined ? {} : { expiresAt }),
    publicKey,
  }
}

/** Everything that narrows one of them narrows the key. */
function together(first: NumberedKey, second: NumberedKey): NumberedKey {
  const higher = first.permission === 'w' || second.permission === 'r' ? first : second
  const narrowings = [first, second].flatMap(({ limits }) => limits.slice(1))
  const ends = [first, second].flatMap(({ expiresAt }) => (expiresAt === undefined ? [] : [expiresAt]))
  return {
    ...higher,
    limits: [BASE_LIMITS[higher.permission], ...narrowings],
    ...(ends.length === 0 ? {} : { expiresAt: Math.min(...ends) }),
  }
}

function sameKey(first: NumberedKey, second: NumberedKey): string {
  const permission = together(first, second).permission
  return `line ${second.line}: the key of line ${first.line} again: it counts as ${permission}, with every scope= and expires= of both`
}

function warningsOf({ line, expiresAt, publicKey }: NumberedKey, now: number): string[] {
  const bits = publicKey.key.asymmetricKeyDetails?.modulusLength ?? Infinity
  return [
    ...(expiresAt !== undefined && expiresAt <= now ? [`line ${line}: this key has expired`] : []),
    ...(bits < RSA_BITS_ADVISED ? [`line ${line}: RSA of ${bits} bits; ${RSA_BITS_ADVISED} or ed25519 is better`] : []),
  ]
}

function refused(message: string): DepotError {
  return new DepotError('BAD_REQUEST', message)
}
