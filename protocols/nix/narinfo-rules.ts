import type { Depot } from '../../src/depot.ts'
import { DepotError } from '../../src/errors.ts'
import type { Cache, RecordName } from '../../src/kv-store.ts'
import type { LocalStore } from '../../src/local-store.ts'
import { inTurns } from './in-turns.ts'
import { listed } from './listed.ts'
import { findLocal } from './local-path.ts'
import { nix32OfHex } from './nix32.ts'
import { PATH_KIND, type PathEntry } from './records.ts'
import { fingerprint, goodSignatures, type SigningKey, type VerifyingKey } from './signing.ts'
import { hashOf } from './store-path.ts'
import { storedPath } from './stored-path.ts'

/** Whose signatures a cache makes, keeps and asks for, and what it wants to hold already. */
export interface NarinfoRules {
  /** Every one signs every path. Without any, clients must trust the cache without signatures. */
  readonly signingKeys: readonly SigningKey[]
  /** Signatures of these that come with an upload are kept and served; all others are dropped. */
  readonly trustedKeys: readonly VerifyingKey[]
  /** Take only what one of `trustedKeys` has signed, or what is named by its content. */
  readonly requireTrustedSignature: boolean
  /** Take a path only when everything it refers to is here: no client then finds half of a closure. */
  readonly requireReferences: boolean
  /** Paths that are valid there are served as well; clients do not send them, so that they count as held. */
  readonly localStore: LocalStore | undefined
}

/** The text that signatures of this path are over. */
export function fingerprintOf({ baseName, narHash, narSizeBytes, references }: PathEntry): string {
  return fingerprint({ baseName, narHash: nix32OfHex(narHash), narSizeBytes, references })
}

/** The signatures that trusted keys made of this path, one of each. */
export function trustedSignatures(
  entry: PathEntry,
  signatures: readonly string[],
  { trustedKeys }: Pick<NarinfoRules, 'trustedKeys'>,
): readonly string[] {
  if (signatures.length === 0 || trustedKeys.length === 0) return []
  return goodSignatures(fingerprintOf(entry), signatures, trustedKeys)
}

/** @throws DepotError `CONTENT_MISMATCH` for a path that nobody vouches for, where that is asked for */
export function checkTrust(entry: PathEntry, { requireTrustedSignature, trustedKeys }: NarinfoRules): void {
  if (!requireTrustedSignature || entry.ca !== undefined || entry.signatures.length > 0) return
  throw new DepotError(
    'CONTENT_MISMATCH',
    `this cache takes ${entry.baseName} only with a signature of ${trustedKeys.map(({ name }) => name).join(' or ')} that is good: sign it (nix store sign --key-file FILE PATH) and send it again`,
  )
}

/**
 * Returns the records of what a path refers to, as far as they must be here: what was checked may be deleted before the path is
 * committed, so that the commit asks for them once more.
 *
 * @throws DepotError `CONTENT_MISMATCH` naming the references that are missing, where they must be here
 */
export async function checkReferences(
  depot: Depot,
  cache: Cache,
  { baseName, references }: PathEntry,
  { requireReferences, localStore }: NarinfoRules,
): Promise<readonly RecordName[]> {
  if (!requireReferences) return []
  const others = references.filter((reference) => reference !== baseName)
  const here = new Map<string, RecordName | 'local'>()
  await inTurns(others, async (reference) => {
    const place = await whereIs(depot, cache, reference, localStore)
    if (place !== undefined) here.set(reference, place)
  })
  const missing = others.filter((reference) => !here.has(reference))
  if (missing.length === 0) return [...here.values()].filter((place) => place !== 'local')
  throw new DepotError(
    'CONTENT_MISMATCH',
    `${baseName} refers to paths that this cache does not hold: ${listed(missing)}. Send them first, or the whole closure (nix copy does)`,
  )
}

/** Under the whole name: another path with the same hash part is not the one that the signature will speak of. */
async function whereIs(
  depot: Depot,
  cache: Cache,
  reference: string,
  localStore: LocalStore | undefined,
): Promise<RecordName | 'local' | undefined> {
  const hash = hashOf(reference)
  const stored = await storedPath(depot, cache, hash)
  if (stored !== undefined) return stored.entry.baseName === reference ? { kind: PATH_KIND, key: hash } : undefined
  return findLocal(localStore, hash)?.entry.baseName === reference ? 'local' : undefined
}
