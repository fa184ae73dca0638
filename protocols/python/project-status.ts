import type { Depot } from '../../src/depot.ts'
import { auditEntry, type Caller } from '../../src/protocol.ts'
import { changedProject, knownProject } from './project.ts'
import { parseStatus, STATUS_KIND, type ProjectStatus } from './records.ts'

/** How a project stands (PEP 792); undefined is active. */
export type Standing = ProjectStatus | undefined

/**
 * Say how a project stands. `allow` is asked about exactly what is replaced, and throws when that is not for this caller: what
 * somebody else makes of it meanwhile is asked about anew.
 *
 * @throws DepotError `NOT_FOUND` when it is not here, and what `allow` throws
 */
export async function setStatus(
  depot: Depot,
  caller: Caller,
  project: string,
  { status, allow }: { readonly status: Standing; readonly allow: (before: Standing) => void },
): Promise<void> {
  // With the status, because the audit log would not tell one change of it from another otherwise.
  const resource = `${project} ${status?.status ?? 'active'}`
  await depot.retryConflicts(async () => {
    const before = await depot.get(caller.cache, STATUS_KIND, project)
    allow(before && parseStatus(before))
    const known = await knownProject(depot, caller.cache, project)
    const record = { kind: STATUS_KIND, key: project, expected: before?.version ?? 0 }
    await depot.commit(caller.cache, {
      puts: [
        ...(status === undefined ? [] : [{ ...record, value: JSON.stringify(status) }]),
        ...changedProject(known).puts,
      ],
      deletes: status === undefined && before !== undefined ? [record] : [],
      audit: [auditEntry(caller, { action: 'python:write', resource, digest: '' })],
    })
  })
  depot.events.recordWritten('python', project)
}
