import type { Depot } from '../../src/depot.ts'
import { DepotError } from '../../src/errors.ts'
import type { BlobRow, Commit, RecordDelete } from '../../src/kv-store.ts'
import type { Caller } from '../../src/protocol.ts'
import type { Manifest } from './manifest.ts'
import { changedPackage, type PackageChange } from './package-record.ts'
import { KIND, lengthOf, versionKey } from './records.ts'
import type { SigningKey } from './signing.ts'
import { loadForWrite } from './tombstones.ts'
import { writePackage } from './write-package.ts'

/** A version that is about to become visible. */
export interface NewVersion {
  readonly name: string
  readonly version: string
  readonly digest: string
  /** As it will be kept: `keptManifest`. */
  readonly manifest: Manifest
  /** What happens to the package's record besides. */
  readonly change: Omit<PackageChange, 'version' | 'now'>
  /** Puts the tarball's bytes into storage; absent when they are there. */
  readonly publish?: () => Promise<BlobRow>
  readonly puts?: Commit['puts']
  /** Signs the version, where there is a key. */
  readonly signer?: SigningKey | undefined
  /** The waiting tarball that this version is made from, as it was read. */
  readonly replaces?: RecordDelete
}

/**
 * Add a version in one commit: its manifest, its place in the package, its tarball. Of two writers of one version one wins;
 * two of different versions both do.
 *
 * @returns `known` when the version is there with the same bytes: nothing changes then
 * @throws DepotError `CONFLICT` when it is there with other bytes, or was deleted; `TOO_LARGE` for one version or dist-tag too many
 */
export async function addVersion(depot: Depot, caller: Caller, added: NewVersion): Promise<'created' | 'known'> {
  const { name, version, digest, manifest } = added
  const key = versionKey(name, version)
  const signature = await added.signer?.sign(name, version, manifest.dist?.integrity ?? '')
  const own = signature === undefined ? {} : { signatures: [signature] }

  const free = async (): Promise<boolean> => {
    const known = await loadForWrite(depot, caller.cache, name, version)
    if (known !== undefined && known.digest !== digest) throw cannotPublishOver(name, version)
    return known === undefined
  }
  // Asked before, so that bytes which nobody will want are not stored; and nobody waits for another one's disk.
  await free()
  const row = await added.publish?.()
  const blobs = row === undefined ? [] : [row]

  const written = await writePackage(depot, caller, name, async (loaded) => {
    if (!(await free())) {
      // The same bytes again: nothing changes, but sending a damaged tarball once more heals it.
      await depot.commit(caller.cache, { blobs })
      return undefined
    }
    const value = JSON.stringify({ digest, manifest, ...own })
    const record = changedPackage(loaded?.record, { ...added.change, version, now: new Date().toISOString() })
    return {
      record: { ...record, manifestsLength: (record.manifestsLength ?? 0) + lengthOf(manifest) },
      puts: [{ kind: KIND.version, key, value, expected: 0, refs: [digest] }, ...(added.puts ?? [])],
      // A tarball that was sent alone has waited long enough.
      deletes: [added.replaces ?? { kind: KIND.tarball, key }],
      blobs,
      done: [{ action: 'write', part: version, digest }],
    }
  })
  return written ? 'created' : 'known'
}

export function cannotPublishOver(name: string, version: string): DepotError {
  const message = `cannot publish over the existing version ${version} of ${name} with other bytes: choose a new version`
  return new DepotError('CONFLICT', message)
}
