import { createHash } from 'node:crypto'

import type { BlobRow, Cache, Document, DocumentKey } from '../../src/kv-store.ts'
import { fingerprintOf, trustedSignatures, type NarinfoRules } from './narinfo-rules.ts'
import { printNarinfo } from './narinfo.ts'
import { nix32OfHex } from './nix32.ts'
import { PATH_KIND, type PathEntry } from './records.ts'
import { parseBaseName } from './store-path.ts'

/** Whose signatures a narinfo bears. */
type Signers = Pick<NarinfoRules, 'signingKeys' | 'trustedKeys'>

/**
 * The document that a narinfo is served from. Other keys make another one, so that a key that is added signs what is here already and
 * one that goes is gone; servers of one database that have different keys for a while each keep their own.
 */
export function narinfoKey(cache: Cache, storeHash: string, signers: Signers): DocumentKey {
  return { cache: cache.id, kind: PATH_KIND, key: storeHash, variant: variantOf(signers), origin: '' }
}

/**
 * The narinfo of a path, signed by every key once, with the signatures of others that it came with. It names the archive as it lies in
 * storage, whatever the upload was; none of that is part of what is signed.
 */
export function narinfoDocument(entry: PathEntry, row: BlobRow, signers: Signers): Document {
  const { baseName, narHash, narSizeBytes, references, deriver, ca } = entry
  const storePath = parseBaseName(baseName)
  if (storePath === undefined) throw new Error(`a record of a path named ${JSON.stringify(baseName)}`)
  const signed = fingerprintOf(entry)
  const own = signers.signingKeys.map((key) => key.sign(signed))
  const body = printNarinfo({
    storePath,
    url: `nar/${nix32OfHex(narHash)}.nar.zst`,
    compression: 'zstd',
    fileHash: row.storedSha256,
    fileSizeBytes: row.storedBytes,
    narHash,
    narSizeBytes,
    references,
    signatures: [...new Set([...own, ...trustedSignatures(entry, entry.signatures, signers)])],
    ...(deriver === undefined ? {} : { deriver }),
    ...(ca === undefined ? {} : { ca }),
  })
  return { body, etag: `"${createHash('sha256').update(body).digest('hex')}"`, encoding: '' }
}

const VARIANTS = new WeakMap<Signers, string>()

/** Asked on every read: the keys of a process do not change, so one answer does. */
function variantOf(signers: Signers): string {
  const known = VARIANTS.get(signers)
  if (known !== undefined) return known
  const names = [signers.signingKeys, signers.trustedKeys].map((keys) => keys.map(({ publicKey }) => publicKey))
  const variant = `narinfo-${createHash('sha256').update(JSON.stringify(names)).digest('hex').slice(0, 16)}`
  VARIANTS.set(signers, variant)
  return variant
}
