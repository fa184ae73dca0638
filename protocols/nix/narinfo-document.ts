import { createHash } from 'node:crypto'

import type { BlobRow, Cache, Document, DocumentKey } from '../../src/kv-store.ts'
import { printNarinfo } from './narinfo.ts'
import { nix32OfHex } from './nix32.ts'
import { PATH_KIND, type PathEntry } from './records.ts'
import { fingerprint, type SigningKey } from './signing.ts'
import { parseBaseName } from './store-path.ts'

/** The document that a narinfo is served from. Other keys make another one, so that a new key signs what is here already. */
export function narinfoKey(cache: Cache, storeHash: string, keys: readonly SigningKey[]): DocumentKey {
  return { cache: cache.id, kind: PATH_KIND, key: storeHash, variant: variantOf(keys), origin: '' }
}

/**
 * The narinfo of a path, signed by every key once. It names the archive as it lies in storage, whatever the upload was; none of that
 * is part of what is signed.
 */
export function narinfoDocument(entry: PathEntry, row: BlobRow, keys: readonly SigningKey[]): Document {
  const { baseName, narHash, narSizeBytes, references, deriver, ca } = entry
  const storePath = parseBaseName(baseName)
  if (storePath === undefined) throw new Error(`a record of a path named ${JSON.stringify(baseName)}`)
  const signed = fingerprint({ baseName, narHash: nix32OfHex(narHash), narSizeBytes, references })
  const body = printNarinfo({
    storePath,
    url: `nar/${nix32OfHex(narHash)}.nar.zst`,
    compression: 'zstd',
    fileHash: row.storedSha256,
    fileSizeBytes: row.storedBytes,
    narHash,
    narSizeBytes,
    references,
    signatures: keys.map((key) => key.sign(signed)),
    ...(deriver === undefined ? {} : { deriver }),
    ...(ca === undefined ? {} : { ca }),
  })
  return { body, etag: `"${createHash('sha256').update(body).digest('hex')}"`, encoding: '' }
}

const VARIANTS = new WeakMap<readonly SigningKey[], string>()

/** Asked on every read: the keys of a process do not change, so one answer does. */
function variantOf(keys: readonly SigningKey[]): string {
  const known = VARIANTS.get(keys)
  if (known !== undefined) return known
  const names = keys.map(({ publicKey }) => publicKey).join('\n')
  const variant = `narinfo-${createHash('sha256').update(names).digest('hex').slice(0, 16)}`
  VARIANTS.set(keys, variant)
  return variant
}
