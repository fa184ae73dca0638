import { compareVersions, parseVersion, type Version } from '../version.ts'
import type { Python } from './wheel-filter.ts'

/**
 * Whether a file with this Requires-Python (PEP 345, PEP 440) can be installed by one of the interpreters, in any of their patch releases.
 * What is malformed keeps nobody away: pip ignores it.
 */
export function allowsPython(requires: unknown, pythons: readonly Python[]): boolean {
  if (pythons.length === 0 || typeof requires !== 'string') return true
  const clauses = requires.split(',').map((clause) => parseClause(clause.trim()))
  const known = clauses.filter((clause) => clause !== undefined)
  return pythons.some(({ major, minor }) =>
    PATCHES.some((patch) => {
      const version = parseVersion(`${major}.${minor}.${patch}`)
      return version === undefined || known.every((holds) => holds(version))
    }),
  )
}

/** The first, and one later than any. */
const PATCHES = [0, 99]

const CLAUSE = /^(?<operator>~=|===?|!=|<=?|>=?)\s*(?<release>[^\s*]+?)(?<any>\.\*)?$/

function parseClause(text: string): ((python: Version) => boolean) | undefined {
  const { operator = '', release = '', any } = CLAUSE.exec(text)?.groups ?? {}
  const version = parseVersion(release)
  if (version === undefined) return undefined
  const starts = (python: Version, parts: number): boolean =>
    version.release.slice(0, parts).every((part, at) => (python.release[at] ?? 0n) === part)
  const same = (python: Version): boolean =>
    any === undefined ? compareVersions(python, version) === 0 : starts(python, version.release.length)
  if (operator === '!=') return (python) => !same(python)
  if (operator.startsWith('==')) return same
  if (operator === '~=')
    return (python) => compareVersions(python, version) >= 0 && starts(python, version.release.length - 1)
  const holds = ORDERS.get(operator)
  return holds && ((python) => holds(compareVersions(python, version)))
}

const ORDERS = new Map<string, (order: number) => boolean>([
  ['<', (order) => order < 0],
  ['<=', (order) => order <= 0],
  ['>', (order) => order > 0],
  ['>=', (order) => order >= 0],
])
