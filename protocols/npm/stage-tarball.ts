import type { Depot, StagedBlob } from '../../src/depot.ts'
import { DepotError } from '../../src/errors.ts'
import type { Cache } from '../../src/kv-store.ts'
import { LIMITS } from '../../src/limits.ts'
import type { TarballHashes } from './integrity.ts'
import { inspectTarball, type OwnPackageJson } from './tarball.ts'
import { publishedVersion } from './version.ts'

/** A tarball that has arrived whole and was read to its end, and that nobody can see yet. */
export interface StagedTarball extends AsyncDisposable {
  readonly blob: StagedBlob
  readonly hashes: TarballHashes
  readonly own: OwnPackageJson
}

/**
 * Take in a tarball, reading its own package.json on the way.
 *
 * @throws DepotError as `Depot.stage` and `TarballInspector.finish`
 */
export async function stageTarball(
  depot: Depot,
  cache: Cache,
  content: AsyncIterable<Uint8Array>,
): Promise<StagedTarball> {
  using inspector = inspectTarball()
  const blob = await depot.stage(cache, content, {
    encoding: 'raw',
    limitBytes: LIMITS.npmTarballBytesMax,
    hashes: ['sha1', 'sha512'],
    inspect: (bytes) => inspector.write(bytes),
  })
  try {
    const own = await inspector.finish()
    const hashes = { sha1: hash(blob, 'sha1'), sha256: blob.digest, sha512: hash(blob, 'sha512') }
    return { blob, hashes, own, [Symbol.asyncDispose]: () => blob[Symbol.asyncDispose]() }
  } catch (error) {
    await blob[Symbol.asyncDispose]()
    throw error
  }
}

function hash(blob: StagedBlob, name: 'sha1' | 'sha512'): string {
  const digest = blob.hashes.get(name)
  if (digest === undefined) throw new Error(`${name} was not computed`)
  return digest
}

/**
 * The package.json inside decides what a tarball is; a manifest or an address that says otherwise is refused, or one
 * package could be read under another's name.
 *
 * @throws DepotError `CONTENT_MISMATCH` (400)
 */
export function requireOwnName({ own }: StagedTarball, name: string, version: string): void {
  if (own.name === name && publishedVersion(own.version) === version) return
  const inside = `${own.name}@${own.version}`.slice(0, 500)
  const message = `the package.json in the tarball says ${inside}, but it was sent as ${name}@${version}`
  throw new DepotError('CONTENT_MISMATCH', message, { status: 400 })
}
