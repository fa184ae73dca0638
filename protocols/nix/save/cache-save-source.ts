import type { SaveRun } from '../../../src/client/runs.ts'
import { DepotError } from '../../../src/errors.ts'
import { LIMITS } from '../../../src/limits.ts'
import { onePiece } from '../../../src/one-piece.ts'
import { narinfoFacts } from '../closure/narinfo-facts.ts'
import type { PathFacts } from '../closure/path-source.ts'
import { parseNarinfo, type Narinfo } from '../narinfo.ts'
import { nix32OfHex } from '../nix32.ts'
import { fingerprint, goodSignatures, type VerifyingKey } from '../signing.ts'
import { printStorePath, STORE_DIR } from '../store-path.ts'
import type { CacheFiles } from './cache-files.ts'
import { checkNar, namedByContent } from './check-nar.ts'
import { codecNamed, narinfoPath } from './nar-file.ts'
import type { SaveSource } from './save-source.ts'

export interface CacheSaveOptions {
  readonly run: Pick<SaveRun, 'folder'>
  readonly cache: CacheFiles
  /** One of them must vouch for each path that is not named by its content; undefined takes whatever the cache says. */
  readonly trustedKeys: readonly VerifyingKey[] | undefined
}

/**
 * The paths of a binary cache. A narinfo counts only when it is of the path that was asked for, names a file of this cache, and is signed;
 * an archive only when it hashes to what was signed. It stays compressed as it came.
 *
 * @throws DepotError `BAD_REQUEST` when there is no cache, or it is one of another store
 */
export async function cacheSaveSource({ run, cache, trustedKeys }: CacheSaveOptions): Promise<SaveSource> {
  await checkCache(cache)
  const narinfos = new Map<string, Narinfo>()
  const narinfoOf = ({ baseName }: PathFacts): Narinfo => {
    const narinfo = narinfos.get(baseName)
    if (narinfo === undefined) throw new TypeError(`${cache.name} has not told of ${baseName}`)
    return narinfo
  }
  return {
    absent: `${cache.name} does not have it`,
    async facts(baseName) {
      const text = await cache.text(narinfoPath(baseName), LIMITS.narinfoBytesMax)
      if (text === undefined) return undefined
      const narinfo = parseNarinfo(text)
      const facts = narinfoFacts(narinfo)
      checkNarinfo(narinfo, baseName, cache)
      checkVouched(facts, trustedKeys, cache.name)
      narinfos.set(baseName, narinfo)
      return facts
    },
    async named(hash) {
      const text = await cache.text(`${hash}.narinfo`, LIMITS.narinfoBytesMax)
      const storePath = text === undefined ? undefined : parseNarinfo(text).storePath
      return storePath?.hash === hash ? storePath.baseName : undefined
    },
    codec: (facts) => codecOf(narinfoOf(facts)),
    async bring(facts, path) {
      const narinfo = narinfoOf(facts)
      const { fileHash, fileSizeBytes } = narinfo
      const { sizeBytes, hashes } = await cache.file(narinfo.url, {
        folder: run.folder,
        path,
        expected: { hashes: fileHash === undefined ? {} : { sha256: fileHash }, sizeBytes: fileSizeBytes },
        sizeBytesMax: LIMITS.blobBytesMax,
        algorithms: ['sha256'],
        verify: (content) => checkNar(facts, codecOf(narinfo), content),
      })
      return { fileHash: hashes.sha256 ?? '', fileSizeBytes: sizeBytes }
    },
    async log(derivation) {
      const text = await cache.text(`log/${derivation}`, LIMITS.buildLogBytesMax)
      return text === undefined ? undefined : onePiece(Buffer.from(text))
    },
    // They are asked for by what they are of, and no cache tells which there are.
    realisations: () => [],
  }
}

async function checkCache(cache: CacheFiles): Promise<void> {
  const text = await cache.text('nix-cache-info', LIMITS.narinfoBytesMax)
  if (text === undefined) throw new DepotError('BAD_REQUEST', `${cache.name} has no nix-cache-info: it is no Nix cache`)
  checkStoreDir(text, cache.name)
}

/** @throws DepotError `BAD_REQUEST` when a `nix-cache-info` is of another store */
export function checkStoreDir(cacheInfo: string, name: string): void {
  const storeDir = /^StoreDir: (?<dir>.*)$/m.exec(cacheInfo)?.groups?.['dir']
  if (storeDir !== undefined && storeDir !== STORE_DIR)
    throw new DepotError('BAD_REQUEST', `${name} is of the store ${storeDir}, and paths of ${STORE_DIR} are saved`)
}

function checkNarinfo(narinfo: Narinfo, baseName: string, cache: CacheFiles): void {
  const what = `${narinfoPath(baseName)} of ${cache.name}`
  if (narinfo.storePath.baseName !== baseName)
    throw new DepotError('CONTENT_MISMATCH', `${what} is of ${printStorePath(narinfo.storePath.baseName)}`)
  codecOf(narinfo)
  if (narinfo.narSizeBytes > LIMITS.blobBytesMax)
    throw new DepotError('TOO_LARGE', `${what} tells of an archive of more than ${LIMITS.blobBytesMax} bytes`)
  if (!cache.holds(narinfo.url))
    throw new DepotError('CONTENT_MISMATCH', `${what} names an archive outside of it: ${narinfo.url.slice(0, 200)}`)
}

function codecOf({ compression, storePath }: Narinfo): NonNullable<ReturnType<typeof codecNamed>> {
  const codec = codecNamed(compression)
  if (codec !== undefined) return codec
  throw new DepotError(
    'UNSUPPORTED_CODEC',
    `the archive of ${printStorePath(storePath.baseName)} is compressed with ${compression}, which depot does not read`,
  )
}

function checkVouched(facts: PathFacts, keys: readonly VerifyingKey[] | undefined, name: string): void {
  if (namedByContent(facts) || keys === undefined) return
  const { narHash, signatures } = facts
  const signed = fingerprint({ ...facts, narHash: nix32OfHex(narHash) })
  if (goodSignatures(signed, signatures, keys).length > 0) return
  const whose = keys.length === 0 ? 'no key is trusted' : `trusted: ${keys.map((key) => key.name).join(', ')}`
  const has = signatures.map((signature) => signature.slice(0, signature.indexOf(':'))).join(', ')
  throw new DepotError(
    'CONTENT_MISMATCH',
    `${name} has no good signature of it by a trusted key (${whose}; signed by: ${has === '' ? 'nobody' : has}): --trusted-key names another one`,
  )
}
