import type { Algorithm, Hashes } from '../../../src/client/saved-files.ts'
import { DepotError } from '../../../src/errors.ts'
import { textIn, type Members } from './upstream-packument.ts'

/**
 * The digests (hex) that a tarball has to have: the strongest of the registry's `dist`, where `shasum` counts when nothing stronger is
 * said, and those of lock files that the registry says nothing to. Empty when nobody promises anything.
 *
 * @param locked integrity strings of lock files
 * @throws DepotError `CONTENT_MISMATCH` when the registry and a lock file, or two lock files, promise different things
 */
export function promisedDigests(item: string, dist: Members, locked: readonly string[]): Hashes {
  const known = digestsOf(dist)
  const strongest = STRENGTH.find((algorithm) => known.has(algorithm))
  const promised: Partial<Record<Promised, string>> = {}
  const promise = (algorithm: Promised, digests: ReadonlySet<string>): void => {
    const before = promised[algorithm]
    const allowed = before === undefined ? known.get(algorithm) : new Set([before])
    const agreed = [...digests].find((digest) => allowed === undefined || allowed.has(digest))
    if (agreed === undefined) throw differs(item, algorithm)
    if (algorithm === strongest || !known.has(algorithm)) promised[algorithm] = agreed
  }
  for (const integrity of locked)
    for (const [algorithm, digests] of parseIntegrity(integrity)) promise(algorithm, digests)
  const own = strongest === undefined ? undefined : known.get(strongest)
  if (strongest !== undefined && own !== undefined && promised[strongest] === undefined) promise(strongest, own)
  return promised
}

/** Whether two `dist` promise the same tarball; true when they have no kind of digest in common. */
export function samePromise(one: Members, other: Members): boolean {
  const [ones, others] = [digestsOf(one), digestsOf(other)]
  const common = STRENGTH.find((algorithm) => ones.has(algorithm) && others.has(algorithm))
  if (common === undefined) return true
  const allowed = others.get(common) ?? new Set()
  return [...(ones.get(common) ?? [])].some((digest) => allowed.has(digest))
}

/** Strongest first. */
const DIGEST_BYTES = { sha512: 64, sha384: 48, sha256: 32, sha1: 20 } as const satisfies Partial<
  Record<Algorithm, number>
>
type Promised = keyof typeof DIGEST_BYTES
const STRENGTH = Object.keys(DIGEST_BYTES) as Promised[]
const ENTRY = /^(?<algorithm>sha(?:1|256|384|512))-(?<digest>[A-Za-z0-9+/]{27,88}={0,2})(?:\?.*)?$/

type Digests = ReadonlyMap<Promised, ReadonlySet<string>>

function digestsOf(dist: Members): Digests {
  const found = parseIntegrity(textIn(dist, 'integrity') ?? '')
  const shasum = textIn(dist, 'shasum')?.toLowerCase()
  const more = !found.has('sha1') && shasum !== undefined && /^[0-9a-f]{40}$/.test(shasum)
  return more ? new Map([...found, ['sha1', new Set([shasum])]]) : found
}

/** The digests (hex) of an integrity string; what is not of a known kind is left out, as the W3C page says. */
function parseIntegrity(integrity: string): Digests {
  const found = new Map<Promised, Set<string>>()
  for (const entry of integrity.split(/\s+/)) {
    const groups = ENTRY.exec(entry)?.groups
    const algorithm = groups?.['algorithm'] as Promised | undefined
    if (groups === undefined || algorithm === undefined) continue
    const digest = Buffer.from(groups['digest'] ?? '', 'base64')
    if (digest.byteLength === DIGEST_BYTES[algorithm])
      found.set(algorithm, (found.get(algorithm) ?? new Set()).add(digest.toString('hex')))
  }
  return found
}

function differs(item: string, algorithm: string): DepotError {
  const hint = 'either the lock file was changed, or the registry has other bytes than it once had'
  return new DepotError(
    'CONTENT_MISMATCH',
    `the lock file and the registry disagree on the ${algorithm} of ${item}: ${hint}`,
  )
}
