import type { Depot } from '../../src/depot.ts'
import type { RecordPut } from '../../src/kv-store.ts'
import { LIMITS } from '../../src/limits.ts'
import { auditEntry, type Caller } from '../../src/protocol.ts'
import { withoutVersions } from './package-record.ts'
import { requirePackage, requireRevision } from './packages.ts'
import { isTombstone, KIND, readVersion, versionKey, type PackageRecord } from './records.ts'
import { changeInTurn } from './turns.ts'

export interface Deletion {
  readonly name: string
  /** Those that are not there any more are passed over. */
  readonly versions: readonly string[]
  /** The `_rev` that the client saw; without it whatever is there. */
  readonly revision?: string
  /** What else becomes of the package's record, in the commit that deletes the first versions. */
  readonly change?: (record: PackageRecord) => PackageRecord
}

/**
 * Delete versions: tombstones instead of their records, out of the package and its tags, in one commit for each
 * `LIMITS.npmDeletedVersionsPerCommit`. Their bytes are held by nobody then.
 *
 * @throws DepotError `NOT_FOUND` without the package, `CONFLICT` when `revision` is not the package's any more
 */
export async function deleteVersions(
  depot: Depot,
  caller: Caller,
  { name, versions, revision, change = (record) => record }: Deletion,
): Promise<void> {
  const step = LIMITS.npmDeletedVersionsPerCommit
  await deleteSome(depot, caller, { name, versions: versions.slice(0, step), change, ...given(revision) })
  for (let at = step; at < versions.length; at += step)
    await deleteSome(depot, caller, { name, versions: versions.slice(at, at + step), change: (record) => record })
}

function given(revision: string | undefined): Pick<Deletion, 'revision'> {
  return revision === undefined ? {} : { revision }
}

function deleteSome(
  depot: Depot,
  caller: Caller,
  { name, versions, revision, change }: Deletion & Required<Pick<Deletion, 'change'>>,
): Promise<void> {
  return changeInTurn(depot, caller.cache, name, async () => {
    const loaded = await requirePackage(depot, caller.cache, name)
    if (revision !== undefined) requireRevision(loaded, revision)
    const now = new Date().toISOString()
    const graves = await bury(depot, caller, { name, versions, now })
    const record = withoutVersions(change(loaded.record), new Set(versions), now)
    await depot.commit(caller.cache, {
      puts: [
        ...graves.map(({ put }) => put),
        { kind: KIND.package, key: name, value: JSON.stringify(record), expected: loaded.version },
      ],
      deletes: graves.map(({ put }) => ({ kind: KIND.attestation, key: put.key })),
      audit: graves.map(({ put, digest }) => auditEntry(caller, { action: 'npm:delete', resource: put.key, digest })),
    })
    for (const { put } of graves) depot.events.recordWritten('npm', put.key)
  })
}

interface Grave {
  readonly put: RecordPut
  readonly digest: string
}

/** The tombstones of those versions that can be read now. */
async function bury(
  depot: Depot,
  { cache }: Caller,
  { name, versions, now }: { readonly name: string; readonly versions: readonly string[]; readonly now: string },
): Promise<readonly Grave[]> {
  const graves: Grave[] = []
  for (const version of versions) {
    const key = versionKey(name, version)
    const found = await depot.get(cache, KIND.version, key)
    const record = found === undefined ? undefined : readVersion(found.value)
    if (found === undefined || record === undefined || isTombstone(record)) continue
    const { digest } = record
    const value = JSON.stringify({ deleted: now, digest })
    graves.push({ digest, put: { kind: KIND.version, key, value, expected: found.version, refs: [] } })
  }
  return graves
}
