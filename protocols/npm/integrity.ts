import { DepotError } from '../../src/errors.ts'

/** Digests of a tarball, lower-case hex. */
export interface TarballHashes {
  readonly sha1: string
  readonly sha256: string
  readonly sha512: string
}

/** What a manifest's `dist` declares of its tarball. Both may be absent or empty: clients of old send the shasum alone. */
export interface DeclaredHashes {
  /** sha1, hex. */
  readonly shasum?: string | undefined
  /** Subresource integrity: `sha512-<base64>`, several separated by spaces. */
  readonly integrity?: string | undefined
}

/**
 * Compare what is declared with the bytes: every algorithm named must have one matching digest. Returns what disagrees, as
 * a sentence, or undefined.
 *
 * @throws DepotError `BAD_REQUEST` when an integrity names no algorithm known here
 */
export function hashMismatch(hashes: TarballHashes, { shasum, integrity }: DeclaredHashes): string | undefined {
  if (shasum && shasum.toLowerCase() !== hashes.sha1) return disagrees('shasum', shasum, hashes.sha1)
  if (!integrity) return undefined
  const declared = parseIntegrity(integrity)
  if (declared.size === 0) {
    throw new DepotError('BAD_REQUEST', `dist.integrity is not a sha512 digest: ${integrity.slice(0, 200)}`)
  }
  const agree = [...declared].every(([algorithm, digests]) => digests.has(hashes[algorithm]))
  return agree ? undefined : disagrees('integrity', integrity, integrityOf(hashes))
}

/** Whether an integrity string names a digest that can be checked here. */
export function namesDigest(integrity: string): boolean {
  return parseIntegrity(integrity).size > 0
}

/** The integrity string that npm writes into lockfiles. */
export function integrityOf({ sha512 }: Pick<TarballHashes, 'sha512'>): string {
  return `sha512-${Buffer.from(sha512, 'hex').toString('base64')}`
}

type Algorithm = keyof TarballHashes
const DIGEST_BYTES: Readonly<Record<Algorithm, number>> = { sha1: 20, sha256: 32, sha512: 64 }
const ENTRY = /^(?<algorithm>sha1|sha256|sha512)-(?<digest>[A-Za-z0-9+/]{27,88}={0,2})(?:\?.*)?$/

/** The sha512 (hex) in an integrity string of `integrityOf`. */
export function sha512Of(integrity: string): string {
  return Buffer.from(integrity.slice('sha512-'.length), 'base64').toString('hex')
}

/** The digests (hex) of an integrity string by algorithm; what is not of a known one is left out, as the W3C page says. */
function parseIntegrity(integrity: string): Map<Algorithm, Set<string>> {
  const byAlgorithm = new Map<Algorithm, Set<string>>()
  for (const entry of integrity.split(/\s+/)) {
    const groups = ENTRY.exec(entry)?.groups
    if (groups === undefined) continue
    const algorithm = groups['algorithm'] as Algorithm
    const digest = Buffer.from(groups['digest'] ?? '', 'base64')
    if (digest.byteLength !== DIGEST_BYTES[algorithm]) continue
    byAlgorithm.set(algorithm, (byAlgorithm.get(algorithm) ?? new Set()).add(digest.toString('hex')))
  }
  return byAlgorithm
}

function disagrees(field: string, declared: string, actual: string): string {
  return `dist.${field} says ${declared.slice(0, 200)}, but the tarball has ${actual}`
}
