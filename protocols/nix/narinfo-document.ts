import { createHash } from 'node:crypto'

import type { BlobRow, Cache, Document, DocumentKey } from '../../src/kv-store.ts'
import { LIMITS } from '../../src/limits.ts'
import { createRecent } from '../../src/recent.ts'
import { shareOf } from '../../src/worker-share.ts'
import { fingerprintOf, trustedSignatures, type NarinfoRules } from './narinfo-rules.ts'
import { printNarinfo, type Narinfo } from './narinfo.ts'
import { nix32OfHex } from './nix32.ts'
import { PATH_KIND, type PathEntry } from './records.ts'
import { hashOf, parseBaseName } from './store-path.ts'
import { textDocument } from './text-document.ts'

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
  const url = `nar/${nix32OfHex(entry.narHash)}.nar.zst`
  const file = { url, compression: 'zstd', fileHash: row.storedSha256, fileSizeBytes: row.storedBytes }
  return textDocument(bodyOf(entry, file, signers))
}

/**
 * The same for a path of the local store. Its archive is made while it is sent, and bears no compression: what it would come to in size
 * would not be known before, and every reader would pay for it again. Its name tells the path too, which is what the store can be asked
 * for, and is none that a client looks for before it uploads.
 */
export function localNarinfo(entry: PathEntry, signers: Signers): Document {
  const url = `nar/${hashOf(entry.baseName)}-${nix32OfHex(entry.narHash)}.nar`
  const name = `${variantOf(signers)} ${JSON.stringify(entry)}`
  const body = recentNarinfos.get(name) ?? bodyOf(entry, { url, compression: 'none' }, signers)
  recentNarinfos.put(name, body)
  return textDocument(body)
}

/** By all that they are made from: a signature costs more than the rest of an answer. */
const recentNarinfos = createRecent(shareOf(LIMITS.recentNarinfoCharactersMax))

type File = Pick<Narinfo, 'url' | 'compression' | 'fileHash' | 'fileSizeBytes'>

function bodyOf(entry: PathEntry, file: File, signers: Signers): string {
  const { baseName, narHash, narSizeBytes, references, deriver, ca } = entry
  const storePath = parseBaseName(baseName)
  if (storePath === undefined) throw new Error(`a record of a path named ${JSON.stringify(baseName)}`)
  const signed = fingerprintOf(entry)
  const own = signers.signingKeys.map((key) => key.sign(signed))
  return printNarinfo({
    storePath,
    ...file,
    narHash,
    narSizeBytes,
    references,
    signatures: [...new Set([...own, ...trustedSignatures(entry, entry.signatures, signers)])],
    ...(deriver === undefined ? {} : { deriver }),
    ...(ca === undefined ? {} : { ca }),
  })
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
