import { breath } from '../../src/breath.ts'
import type { Depot } from '../../src/depot.ts'
import { DepotError } from '../../src/errors.ts'
import type { Cache, RecordName } from '../../src/kv-store.ts'
import { LIMITS } from '../../src/limits.ts'
import type { LocalStore } from '../../src/local-store.ts'
import { findLocal } from './local-path.ts'
import { nix32OfHex } from './nix32.ts'
import { parsePathEntry, PATH_KIND, type PathEntry } from './records.ts'
import { fingerprint, type SigningKey, type VerifyingKey } from './signing.ts'
import { hashOf } from './store-path.ts'

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

/** The signatures that trusted keys made of this path, one of each: a key can make any number of them. */
export function trustedSignatures(
  entry: PathEntry,
  signatures: readonly string[],
  { trustedKeys }: Pick<NarinfoRules, 'trustedKeys'>,
): readonly string[] {
  if (signatures.length === 0 || trustedKeys.length === 0) return []
  const signed = fingerprintOf(entry)
  const good = trustedKeys.map((key) => signatures.find((signature) => key.verify(signed, signature)))
  return [...new Set(good.filter((signature) => signature !== undefined))]
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
  const stored: RecordName[] = []
  const missing: string[] = []
  for (let at = 0; at < others.length; at += LIMITS.referenceReadsAtOnce) {
    const some = others.slice(at, at + LIMITS.referenceReadsAtOnce)
    const here = await Promise.all(some.map((reference) => whereIs(depot, cache, reference, localStore)))
    for (const [index, reference] of some.entries())
      if (here[index] === undefined) missing.push(reference)
      else if (here[index] !== 'local') stored.push(here[index])
  }
  if (missing.length === 0) return stored
  throw new DepotError(
    'CONTENT_MISMATCH',
    `${baseName} refers to paths that this cache does not hold: ${listed(missing)}. Send them first, or the whole closure (nix copy does)`,
  )
}

/** The first of them by name, as many as a person reads. */
export function listed(names: readonly string[]): string {
  const more = names.length > NAMED_MAX ? ` and ${names.length - NAMED_MAX} more` : ''
  return `${names.slice(0, NAMED_MAX).join(', ')}${more}`
}

const NAMED_MAX = 10

/** Under the whole name: another path with the same hash part is not the one that the signature will speak of. */
async function whereIs(
  depot: Depot,
  cache: Cache,
  reference: string,
  localStore: LocalStore | undefined,
): Promise<RecordName | 'local' | undefined> {
  const hash = hashOf(reference)
  const record = await depot.get(cache, PATH_KIND, hash)
  await breath()
  if (record !== undefined)
    return parsePathEntry(record).baseName === reference ? { kind: PATH_KIND, key: hash } : undefined
  return findLocal(localStore, hash)?.entry.baseName === reference ? 'local' : undefined
}
