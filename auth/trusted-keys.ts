import { DepotError } from '../src/errors.ts'
import { LIMITS } from '../src/limits.ts'
import { parsePublicKey, type PublicKey } from './public-key.ts'

/** An SSH key whose signatures are taken. */
export interface TrustedKey {
  readonly key: PublicKey
  /** What the list calls it: its principals, or its comment; may be empty. */
  readonly name: string
}

/**
 * Read a list of public keys: lines as in `id_ed25519.pub`, or as in the file of allowed signers of `ssh-keygen -Y verify`
 * (ssh-keygen(1), ALLOWED SIGNERS), whose options are heeded. Empty lines and comments are passed over.
 *
 * @param purpose the namespace that the keys are to be good for; lines for others are passed over
 * @param nowMs milliseconds since 1970; lines that are not good yet, or no longer, are passed over
 * @throws DepotError `INVALID_NAME` naming the line that is neither, or that says more than is understood here
 */
export function parseTrustedKeys(text: string, purpose: string, nowMs: number): readonly TrustedKey[] {
  const lines = text.split(/\r?\n/)
  if (lines.length > LIMITS.trustedKeysMax * 2) throw new DepotError('INVALID_NAME', 'too many lines of keys')
  return lines.flatMap((line, index) => {
    const trimmed = line.trim()
    if (trimmed === '' || trimmed.startsWith('#')) return []
    try {
      return readLine(trimmed, purpose, nowMs)
    } catch (error) {
      if (!(error instanceof DepotError)) throw error
      throw new DepotError(error.code, `line ${index + 1}: ${error.message}`, { cause: error })
    }
  })
}

/** A word, in which quotes keep blanks together. */
const WORD = /(?:[^\s"]|"[^"]*")+/g
const KEY_TYPE = /^(?:ssh-|ecdsa-|sk-)/

/** What takes something away from a key in other lists of them: authorized_keys, known_hosts, a signer whose name was forgotten. */
const OPTIONS =
  /^@|^(?:cert-authority|restrict|no-(?:agent-forwarding|port-forwarding|pty|touch-required|user-rc|x11-forwarding))(?:,|$)|^[a-z-]+=/i
const WHOSE = 'a line of allowed signers begins with whose key it is'

function readLine(line: string, purpose: string, nowMs: number): readonly TrustedKey[] {
  const words = line.slice(0, LIMITS.authLineLengthMax).match(WORD) ?? []
  const at = words.findIndex((word) => KEY_TYPE.test(word))
  const [type = '', base64 = '', ...comment] = words.slice(at === -1 ? words.length : at)
  if (at === -1 || at > 2) throw refused('not a public key, and not one of an allowed signer')
  const [principals, options] = words.slice(0, at)
  if (principals !== undefined && OPTIONS.test(principals))
    throw refused(`${principals.slice(0, 100)} is no name: ${WHOSE}`)
  if (options !== undefined && !isMeant(options, purpose, nowMs)) return []
  return [{ key: parsePublicKey(type, base64), name: principals?.replaceAll('"', '') ?? comment.join(' ') }]
}

/** @throws DepotError `INVALID_NAME` for an option that is not understood: it may take away what the line seems to give */
function isMeant(options: string, purpose: string, nowMs: number): boolean {
  return (options.match(/(?:[^,"]|"[^"]*")+/g) ?? []).every((option) => {
    const { name, value } = /^(?<name>[a-z-]+)="(?<value>[^"]*)"$/.exec(option)?.groups ?? {}
    if (name === 'namespaces') return isListed(value ?? '', purpose)
    if (name === 'valid-after') return nowMs >= timeOf(value ?? '')
    if (name === 'valid-before') return nowMs < timeOf(value ?? '')
    throw refused(`${option.slice(0, 100)} is not understood here: give the plain public key`)
  })
}

/** A list of patterns (ssh_config(5), PATTERNS): one that begins with `!` and fits ends it. */
function isListed(list: string, purpose: string): boolean {
  const patterns = list.split(',')
  const fits = (pattern: string): boolean =>
    new RegExp(
      `^${pattern
        .replaceAll(/[^\w*?]/g, String.raw`\$&`)
        .replaceAll(/\*+/g, '.*')
        .replaceAll('?', '.')}$`,
    ).test(purpose)
  if (patterns.some((pattern) => pattern.startsWith('!') && fits(pattern.slice(1)))) return false
  return patterns.some((pattern) => !pattern.startsWith('!') && fits(pattern))
}

/** `YYYYMMDD[HHMM[SS]][Z]`, without the `Z` in the time zone of this machine. */
function timeOf(text: string): number {
  const groups = /^(?<date>\d{8})(?:(?<minutes>\d{4})(?<seconds>\d{2})?)?(?<utc>Z)?$/.exec(text)?.groups
  const { date = '', minutes = '0000', seconds = '00', utc = '' } = groups ?? {}
  const time = Date.parse(
    `${date.slice(0, 4)}-${date.slice(4, 6)}-${date.slice(6)}T${minutes.slice(0, 2)}:${minutes.slice(2)}:${seconds}${utc}`,
  )
  if (Number.isNaN(time)) throw refused(`${text.slice(0, 100)} is not a time`)
  return time
}

function refused(message: string): DepotError {
  return new DepotError('INVALID_NAME', message)
}
