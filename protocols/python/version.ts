import { LIMITS } from '../../src/limits.ts'

/** A version of PEP 440 in its parts. Numbers are exact: date-like releases outgrow 2^53. */
export interface Version {
  /** Normalised spelling: `1.0-1` is `1.0.post1`, `v2.3` is `2.3`, `1.0RC1` is `1.0rc1`. */
  readonly text: string
  readonly epoch: bigint
  readonly release: readonly bigint[]
  readonly pre: { readonly phase: 'a' | 'b' | 'rc'; readonly number: bigint } | undefined
  readonly post: bigint | undefined
  readonly dev: bigint | undefined
  readonly local: readonly string[] | undefined
}

const VERSION = new RegExp(
  '^v?(?:(?<epoch>\\d+)!)?(?<release>\\d+(?:\\.\\d+)*)' +
    '(?:[-_.]?(?<phase>alpha|a|beta|b|preview|pre|c|rc)[-_.]?(?<preNumber>\\d*))?' +
    '(?:-(?<bare>\\d+)|[-_.]?(?<post>post|rev|r)[-_.]?(?<postNumber>\\d*))?' +
    '(?:[-_.]?(?<dev>dev)[-_.]?(?<devNumber>\\d*))?' +
    '(?:\\+(?<local>[a-z0-9]+(?:[-_.][a-z0-9]+)*))?$',
)

const PHASES = new Map<string, 'a' | 'b' | 'rc'>([
  ['a', 'a'],
  ['alpha', 'a'],
  ['b', 'b'],
  ['beta', 'b'],
  ['c', 'rc'],
  ['rc', 'rc'],
  ['pre', 'rc'],
  ['preview', 'rc'],
])

/** Parse any spelling that PEP 440 (appendix B) allows; undefined for anything else. */
export function parseVersion(spelling: string): Version | undefined {
  if (spelling.length > LIMITS.pythonVersionLengthMax) return undefined
  const groups = VERSION.exec(spelling.trim().toLowerCase())?.groups
  if (groups === undefined) return undefined
  const phase = PHASES.get(groups['phase'] ?? '')
  const parts = {
    epoch: BigInt(groups['epoch'] ?? 0),
    release: (groups['release'] ?? '').split('.').map(BigInt),
    pre: phase === undefined ? undefined : { phase, number: BigInt(groups['preNumber'] ?? 0) },
    post: numberOf(groups['bare'] ?? groups['post'], groups['bare'] ?? groups['postNumber']),
    dev: numberOf(groups['dev'], groups['devNumber']),
    local: groups['local']?.split(/[-_.]/).map((part) => (/^\d+$/.test(part) ? String(BigInt(part)) : part)),
  }
  return { ...parts, text: spell(parts) }
}

/** The same for all versions that compare as equal: `1.0.0` and `v01` are `1`. */
export function canonicalVersion(version: Version): string {
  const release = trimZeros(version.release)
  return spell({ ...version, release: release.length === 0 ? [0n] : release })
}

function numberOf(word: string | undefined, digits: string | undefined): bigint | undefined {
  return word === undefined ? undefined : BigInt(digits ?? 0)
}

function spell({ epoch, release, pre, post, dev, local }: Omit<Version, 'text'>): string {
  const parts = [epoch === 0n ? '' : `${epoch}!`, release.join('.')]
  if (pre !== undefined) parts.push(pre.phase, String(pre.number))
  if (post !== undefined) parts.push(`.post${post}`)
  if (dev !== undefined) parts.push(`.dev${dev}`)
  if (local !== undefined) parts.push(`+${local.join('.')}`)
  return parts.join('')
}

/** Order of PEP 440: negative when `a` comes before `b`, 0 when both mean the same version (`1.0` and `1.0.0`). */
export function compareVersions(a: Version, b: Version): number {
  return (
    order(a.epoch, b.epoch) ||
    compareLists(trimZeros(a.release), trimZeros(b.release), order) ||
    comparePre(a, b) ||
    order(a.post ?? -1n, b.post ?? -1n) ||
    compareDev(a.dev, b.dev) ||
    compareLocal(a.local, b.local)
  )
}

function order<T extends bigint | number | string>(a: T, b: T): number {
  if (a === b) return 0
  return a < b ? -1 : 1
}

function trimZeros(release: readonly bigint[]): readonly bigint[] {
  return release.slice(0, release.findLastIndex((part) => part !== 0n) + 1)
}

function compareLists<T>(a: readonly T[], b: readonly T[], compare: (a: T, b: T) => number): number {
  for (const [index, part] of a.entries()) {
    const other = b[index]
    if (other === undefined) return 1
    const result = compare(part, other)
    if (result !== 0) return result
  }
  return order(a.length, b.length)
}

/** `1.0.dev1` sorts before `1.0a1`, which sorts before `1.0`. */
function comparePre(a: Version, b: Version): number {
  return order(preRank(a), preRank(b)) || order(a.pre?.number ?? 0n, b.pre?.number ?? 0n)
}

function preRank({ pre, post, dev }: Version): number {
  if (pre !== undefined) return { a: 1, b: 2, rc: 3 }[pre.phase]
  return post === undefined && dev !== undefined ? 0 : 4
}

function compareDev(a: bigint | undefined, b: bigint | undefined): number {
  if (a === undefined || b === undefined) return Number(a === undefined) - Number(b === undefined)
  return order(a, b)
}

/** Without a local part sorts first; in it, numbers sort behind words. */
function compareLocal(a: readonly string[] | undefined, b: readonly string[] | undefined): number {
  if (a === undefined || b === undefined) return Number(a !== undefined) - Number(b !== undefined)
  return compareLists(a, b, (left, right) => {
    const numbers = [left, right].map((part) => /^\d+$/.test(part))
    if (numbers[0] === true && numbers[1] === true) return order(BigInt(left), BigInt(right))
    return Number(numbers[0]) - Number(numbers[1]) || order(left, right)
  })
}
