import { createHash, type Hash } from 'node:crypto'

import { LIMITS } from '../../src/limits.ts'
import { LENGTH_BYTES, NAR_MAGIC, narStrings } from './nar-format.ts'
import { decodeNix32 } from './nix32.ts'
import { makeStoreHash, printStorePath, type StorePath } from './store-path.ts'

/** What a `CA` line says of a path: how its content was hashed, and to what. */
export interface ContentAddress {
  /** `text` and `flat`: of the one file's content; `nar`: of the archive. */
  readonly method: 'text' | 'flat' | 'nar'
  readonly algorithm: 'md5' | 'sha1' | 'sha256' | 'sha512'
  /** Hex. */
  readonly digest: string
}

const CA = /^(?<kind>text|fixed|fixed:r):(?<algorithm>md5|sha1|sha256|sha512):(?<digest>[0-9a-z]{26,128})$/
/** By what stands in the text. */
const METHODS = { text: 'text', fixed: 'flat', 'fixed:r': 'nar' } as const
const DIGEST_BYTES = { md5: 16, sha1: 20, sha256: 32, sha512: 64 } as const

/** `text:sha256:…`, `fixed:<algorithm>:…` or `fixed:r:<algorithm>:…`; undefined for what cannot be checked here. */
export function parseContentAddress(text: string): ContentAddress | undefined {
  const groups = CA.exec(text)?.groups
  const algorithm = groups?.['algorithm'] as ContentAddress['algorithm'] | undefined
  if (algorithm === undefined) return undefined
  const method = METHODS[groups?.['kind'] as keyof typeof METHODS]
  const digest = digestOf(groups?.['digest'] ?? '', DIGEST_BYTES[algorithm])
  if (digest === undefined || (method === 'text' && algorithm !== 'sha256')) return undefined
  return { method, algorithm, digest }
}

function digestOf(text: string, sizeBytes: number): string | undefined {
  if (text.length === sizeBytes * 2) return /^[0-9a-f]+$/.test(text) ? text : undefined
  const bytes = decodeNix32(text, sizeBytes)
  return bytes === undefined ? undefined : Buffer.from(bytes).toString('hex')
}

/**
 * The hash part that a path with this content address has (nix: libstore/store-api.cc, makeFixedOutputPath), or undefined
 * when such a path may not have these references.
 */
export function addressedHash(
  { method, algorithm, digest }: ContentAddress,
  { baseName, name }: StorePath,
  references: readonly string[],
): string | undefined {
  const others = references.filter((reference) => reference !== baseName).sort()
  const self = others.length < references.length
  const typed = (type: string): string => [type, ...others.map(printStorePath)].join(':')
  if (method === 'text') return self ? undefined : makeStoreHash(typed('text'), digest, name)
  if (method === 'nar' && algorithm === 'sha256')
    return makeStoreHash(typed('source') + (self ? ':self' : ''), digest, name)
  if (references.length > 0) return undefined
  const inner = `fixed:out:${method === 'nar' ? 'r:' : ''}${algorithm}:${digest}:`
  return makeStoreHash('output:out', createHash('sha256').update(inner).digest('hex'), name)
}

/**
 * The digest that the content of an archive has by this method, as hex; undefined when it has none: the archive is not of one plain
 * file, or names itself too often. `selfHash`: the hash part of a path that refers to itself; Nix hashes those in two ways, and the
 * address says which.
 */
export async function contentDigest(
  { method, algorithm, digest }: ContentAddress,
  archive: AsyncIterable<Uint8Array>,
  { selfHash }: { readonly selfHash: string | undefined },
): Promise<string | undefined> {
  const hash = createHash(algorithm)
  if (method !== 'nar') return fileDigest(hash, archive)
  if (selfHash !== undefined) {
    const digests = await digestsModulo(hash, archive, selfHash)
    return digests.find((found) => found === digest) ?? digests[0]
  }
  for await (const bytes of archive) hash.update(bytes)
  return hash.digest('hex')
}

/** The archive of a plain file that is no program, up to the length of its content. */
const PLAIN_FILE = narStrings(NAR_MAGIC, '(', 'type', 'regular', 'contents')
const CONTENT_OFFSET = PLAIN_FILE.byteLength + LENGTH_BYTES

async function fileDigest(hash: Hash, archive: AsyncIterable<Uint8Array>): Promise<string | undefined> {
  let head = Buffer.alloc(0)
  let left = -1
  for await (const bytes of archive) {
    let content = bytes
    if (left < 0) {
      head = Buffer.concat([head, bytes])
      if (head.byteLength < CONTENT_OFFSET) continue
      if (!head.subarray(0, PLAIN_FILE.byteLength).equals(PLAIN_FILE)) return undefined
      left = Number(head.readBigUInt64LE(PLAIN_FILE.byteLength))
      content = head.subarray(CONTENT_OFFSET)
    }
    const part = content.subarray(0, left)
    hash.update(part)
    left -= part.byteLength
  }
  return left === 0 ? hash.digest('hex') : undefined
}

/**
 * Hash with every occurrence of the path's own hash part as zeros, and the places where they stood appended
 * (nix 2.8: libstore/references.cc, HashModuloSink). Newer versions forget to note the places (nix 2.26:
 * RewritingSink::operator()), so that the digest without them is as good. None when the places are too many.
 */
async function digestsModulo(
  hash: Hash,
  archive: AsyncIterable<Uint8Array>,
  selfHash: string,
): Promise<readonly string[]> {
  const needle = Buffer.from(selfHash, 'latin1')
  const places: number[] = []
  let kept = Buffer.alloc(0)
  let position = 0
  for await (const bytes of archive) {
    const window = Buffer.concat([kept, bytes])
    for (let at = window.indexOf(needle); at >= 0; at = window.indexOf(needle, at + 1)) {
      window.fill(0, at, at + needle.byteLength)
      places.push(position + at)
    }
    if (places.length > LIMITS.selfReferencesMax) return []
    const done = Math.max(window.byteLength - needle.byteLength + 1, 0)
    hash.update(window.subarray(0, done))
    kept = window.subarray(done)
    position += done
  }
  hash.update(kept)
  const withoutPlaces = hash.copy().digest('hex')
  for (const place of places) hash.update(`|${place}`)
  return [hash.digest('hex'), withoutPlaces]
}
