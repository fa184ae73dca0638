import type { Depot } from '../../src/depot.ts'
import { DepotError } from '../../src/errors.ts'
import type { RecordName } from '../../src/kv-store.ts'
import { LIMITS } from '../../src/limits.ts'
import { auditEntry, type Caller } from '../../src/protocol.ts'
import { planDeletion, type Wanted } from './deletion-plan.ts'
import { inTurns } from './in-turns.ts'
import { KIND_PREFIX, PATH_KIND, REFERRER_KIND, UPLOAD_KIND } from './records.ts'
import { referrerRecords, referrersPrefix } from './referrers.ts'
import type { StoredPath } from './stored-path.ts'

/**
 * Delete store paths, all of them or none: their narinfos, their listings, and the names that their archives were uploaded under, but
 * for archives that another path has too. What is then said of an archive is that it is not here, so that the next push sends it again.
 * Its bytes stay in storage, unreferenced.
 *
 * @throws DepotError as `planDeletion`, and `TOO_LARGE` for more paths than one commit should hold
 */
export function deletePaths(depot: Depot, request: Caller, wanted: Wanted): Promise<readonly StoredPath[]> {
  const { cache } = request
  return depot.retryConflicts(async () => {
    const paths = await planDeletion(depot, cache, wanted)
    if (paths.length > LIMITS.nixDeletedPathsMax)
      throw new DepotError(
        'TOO_LARGE',
        `these are ${paths.length} paths, and one request deletes ${LIMITS.nixDeletedPathsMax}: depot nix rm sends several`,
      )
    const edges = paths.flatMap(({ entry }) => referrerRecords(entry))
    const deletes = [...edges, ...(await uploadsOf(depot, request, paths))]
    if (deletes.length > LIMITS.nixDeletedRecordsMax)
      throw new DepotError('TOO_LARGE', 'these paths have too many references for one request: delete fewer at once')
    await depot.commit(cache, {
      deletes: [...paths.map(({ hash, version }) => ({ kind: PATH_KIND, key: hash, expected: version })), ...deletes],
      // A path that came meanwhile and refers to one of these makes this a conflict, and is seen at the next try.
      absent: paths.map(({ hash }) => ({ kind: REFERRER_KIND, prefix: referrersPrefix(hash) })),
      audit: paths.map(({ entry }) =>
        auditEntry(request, { action: 'nix:delete', resource: entry.baseName, digest: entry.narHash }),
      ),
    })
    return paths
  })
}

/** The names under which archives came that only these paths have. */
async function uploadsOf(
  depot: Depot,
  { cache }: Caller,
  paths: readonly StoredPath[],
): Promise<readonly RecordName[]> {
  const going = new Set(paths.map(({ hash }) => hash))
  const uploads: RecordName[] = []
  const archives = new Set(paths.map(({ entry }) => entry.narHash))
  await inTurns([...archives], async (narHash) => {
    const holders = await depot.kv.holders(cache.id, KIND_PREFIX, narHash, LIMITS.listPageMax)
    const shared = holders.some(({ kind, key }) => kind === PATH_KIND && !going.has(key))
    if (!shared) uploads.push(...holders.filter(({ kind }) => kind === UPLOAD_KIND))
  })
  return uploads
}
