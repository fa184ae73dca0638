import type { Depot } from '../../src/depot.ts'
import { DepotError } from '../../src/errors.ts'
import type { BlobRow, Cache } from '../../src/kv-store.ts'
import { auditEntry, type Caller } from '../../src/protocol.ts'
import { addressedHash, contentDigest, parseContentAddress } from './content-address.ts'
import { narinfoDocument, narinfoKey } from './narinfo-document.ts'
import { listed } from './listed.ts'
import { checkReferences, checkTrust, trustedSignatures, type NarinfoRules } from './narinfo-rules.ts'
import type { Narinfo } from './narinfo.ts'
import { parseNarName, type NarName } from './nar-name.ts'
import { nix32OfHex } from './nix32.ts'
import { referrerPuts } from './referrers.ts'
import {
  KIND_PREFIX,
  parsePathEntry,
  parseUpload,
  PATH_KIND,
  UPLOAD_KIND,
  type PathEntry,
  type Upload,
} from './records.ts'

/**
 * Take in what a narinfo says of a store path, after holding every word of it against the archive that lies here: from here on the
 * depot's own keys vouch for it. A path that is known gets what this one says besides: further signatures, a content address.
 *
 * @throws DepotError `CONTENT_MISMATCH` naming the field, `CONFLICT` when the path is known with another content
 */
export async function storePathEntry(
  depot: Depot,
  request: Caller,
  narinfo: Narinfo,
  rules: NarinfoRules,
): Promise<'created' | 'unchanged'> {
  const { cache } = request
  const row = await checkAgainstUpload(depot, cache, narinfo)
  if (narinfo.ca !== undefined) await checkContentAddress(depot, narinfo, narinfo.ca, row)
  const entry = entryOf(narinfo, rules)
  checkTrust(entry, rules)
  const key = narinfo.storePath.hash
  return depot.retryConflicts(async () => {
    const record = await depot.get(cache, PATH_KIND, key)
    const known = record && parsePathEntry(record)
    const present = known === undefined ? await checkReferences(depot, cache, entry, rules) : []
    const merged = known === undefined ? entry : merge(known, entry, rules)
    if (merged === known) return 'unchanged'
    const expected = record?.version ?? 0
    const document = narinfoDocument(merged, row, rules)
    await depot.commit(cache, {
      puts: [
        { kind: PATH_KIND, key, value: JSON.stringify(merged), expected, refs: [row.digest] },
        ...(known === undefined ? referrerPuts(entry) : []),
      ],
      // Nobody deletes them from under it: whoever tries sees that they are referred to.
      present,
      documents: [{ ...narinfoKey(cache, key, rules), ...document, sourceVersion: expected + 1 }],
      audit: [auditEntry(request, { action: 'nix:write', resource: entry.baseName, digest: row.digest })],
    })
    depot.events.recordWritten('nix', entry.baseName)
    return known === undefined ? 'created' : 'unchanged'
  })
}

async function checkAgainstUpload(depot: Depot, cache: Cache, narinfo: Narinfo): Promise<BlobRow> {
  const found = await findUpload(depot, cache, narinfo)
  if (found === undefined) throw mismatch('URL', 'an archive that this cache does not hold: upload it first')
  const { upload, row } = found
  checkField('Compression', narinfo.compression, upload.codec)
  checkField('FileHash', narinfo.fileHash, upload.fileHash, nix32OfHex)
  checkField('FileSize', narinfo.fileSizeBytes, upload.fileSizeBytes)
  checkField('NarHash', narinfo.narHash, row.digest, nix32OfHex)
  checkField('NarSize', narinfo.narSizeBytes, row.sizeBytes)
  return row
}

interface FoundUpload {
  readonly upload: Pick<Upload, 'codec' | 'fileHash' | 'fileSizeBytes'>
  readonly row: BlobRow
}

/** The upload that the URL names: a plain file name below `nar/`, never another host or folder. */
async function findUpload(depot: Depot, cache: Cache, { url }: Narinfo): Promise<FoundUpload | undefined> {
  const fileName = /^nar\/(?<file>[^/?#%]+)$/.exec(url)?.groups?.['file']
  if (fileName === undefined) throw mismatch('URL', 'something else than nar/<file>')
  const name = parseNarName(fileName)
  const record = await depot.get(cache, UPLOAD_KIND, name.fileName)
  const known = record && parseUpload(record)
  const row = await depot.blobOf(cache, KIND_PREFIX, known?.narHash ?? name.digest)
  const upload = known ?? (row && ownFile(name, row))
  return upload && row && { upload, row }
}

/**
 * The files that every archive has here, however it came in. A client that asks for its `<NarHash>.nar` is told that it is there and does
 * not send it.
 */
function ownFile({ suffix }: NarName, row: BlobRow): FoundUpload['upload'] | undefined {
  if (suffix === '') return { codec: 'none', fileHash: row.digest, fileSizeBytes: row.sizeBytes }
  if (suffix === 'zst') return { codec: 'zstd', fileHash: row.storedSha256, fileSizeBytes: row.storedBytes }
  return undefined
}

function checkField<T extends string | number>(
  field: string,
  claimed: T | undefined,
  actual: T,
  print: (value: T) => string | number = (value) => value,
): void {
  if (claimed !== undefined && claimed !== actual)
    throw mismatch(field, `${print(claimed)}, but the upload has ${print(actual)}`)
}

async function checkContentAddress(depot: Depot, narinfo: Narinfo, ca: string, row: BlobRow): Promise<void> {
  const { storePath, references } = narinfo
  const address = parseContentAddress(ca)
  if (address === undefined) throw mismatch('CA', 'a content address that this depot cannot check')
  if (addressedHash(address, storePath, references) !== storePath.hash)
    throw mismatch('CA', 'a content address that gives another StorePath')
  const selfHash = references.includes(storePath.baseName) ? storePath.hash : undefined
  await using blob = await depot.open(row)
  const content = blob.content()
  const archive = content.chunks({ start: 0, end: content.sizeBytes })
  if ((await contentDigest(address, archive, { selfHash })) !== address.digest)
    throw mismatch('CA', 'another digest than the content has')
}

function entryOf(narinfo: Narinfo, rules: NarinfoRules): PathEntry {
  const { storePath, narHash, narSizeBytes, references, deriver, ca } = narinfo
  const entry = {
    baseName: storePath.baseName,
    narHash,
    narSizeBytes,
    references: [...references],
    ...(deriver === undefined ? {} : { deriver }),
    ...(ca === undefined ? {} : { ca }),
    signatures: [],
    since: Date.now(),
  }
  return { ...entry, signatures: [...trustedSignatures(entry, narinfo.signatures, rules)] }
}

/**
 * `known` itself when `entry` says nothing new. Signatures of keys that are not trusted now stay in the record, unserved: another server
 * of this database may trust them.
 */
function merge(known: PathEntry, entry: PathEntry, rules: NarinfoRules): PathEntry {
  refuseOtherContent(known, entry)
  const kept = trustedSignatures(known, [...known.signatures, ...entry.signatures], rules)
  const signatures = [...new Set([...known.signatures, ...kept])]
  const { deriver = entry.deriver, ca = entry.ca } = known
  if (signatures.length === known.signatures.length && deriver === known.deriver && ca === known.ca) return known
  return {
    ...known,
    ...(deriver === undefined ? {} : { deriver }),
    ...(ca === undefined ? {} : { ca }),
    signatures,
  }
}

/** The first content stays: replacing it would let any writer change what others trust by name. */
function refuseOtherContent(known: PathEntry, entry: PathEntry): void {
  const held = `this cache holds ${known.baseName}`
  const advice = 'copy the path from this cache to yourself, or have it deleted here first'
  if (known.narHash !== entry.narHash || known.baseName !== entry.baseName)
    throw new DepotError(
      'CONFLICT',
      `${held} with NarHash sha256:${nix32OfHex(known.narHash)}, and keeps it: your build gave sha256:${nix32OfHex(entry.narHash)} for ${entry.baseName}. The build is not reproducible; ${advice}`,
    )
  const odd = [...new Set(known.references).symmetricDifference(new Set(entry.references))]
  if (odd.length > 0)
    throw new DepotError(
      'CONFLICT',
      `${held} with the same content and other References, and keeps them: ${listed(odd)} stands in one of the two alone. One of them is wrong; ${advice}`,
    )
}

function mismatch(field: string, what: string): DepotError {
  return new DepotError('CONTENT_MISMATCH', `the narinfo does not agree with the upload: ${field} is ${what}`)
}
