import type { Depot } from '../../src/depot.ts'
import { auditEntry, type Caller } from '../../src/protocol.ts'
import { knownProject } from './change-files.ts'
import { changedProject } from './project.ts'
import { STATUS_KIND, type ProjectStatus } from './records.ts'

/**
 * Say how a project stands (PEP 792); undefined makes it active again.
 *
 * @throws DepotError `NOT_FOUND` when it is not here
 */
export async function setStatus(
  depot: Depot,
  caller: Caller,
  project: string,
  status: ProjectStatus | undefined,
): Promise<void> {
  // With the status, because the audit log would not tell one change of it from another otherwise.
  const resource = `${project} ${status?.status ?? 'active'}`
  await depot.retryConflicts(async () => {
    const known = await knownProject(depot, caller, project)
    const record = { kind: STATUS_KIND, key: project }
    await depot.commit(caller.cache, {
      puts: [
        ...(status === undefined ? [] : [{ ...record, value: JSON.stringify(status) }]),
        ...changedProject(known).puts,
      ],
      deletes: status === undefined ? [record] : [],
      audit: [auditEntry(caller, { action: 'python:write', resource, digest: '' })],
    })
  })
  depot.events.recordWritten('python', project)
}
