import type { Depot } from '../../src/depot.ts'
import { DepotError } from '../../src/errors.ts'
import { jsonResponse } from '../../src/http/respond.ts'
import { auditEntry, route, type Caller, type Route } from '../../src/protocol.ts'
import { findDistribution, type Distribution } from './filename.ts'
import { projectParam } from './params.ts'
import { leavePlace } from './places.ts'
import { FILE_KIND, fileKey, isTombstone, parseFile } from './records.ts'

/** `DELETE -/tombstones/<project>/<file>`: the one way by which the name of a deleted file becomes free again. */
export function tombstoneRoutes(depot: Depot): readonly Route[] {
  return [
    route({
      method: 'DELETE',
      pattern: '/-/tombstones/:project/:file',
      params: { project: projectParam, file: findDistribution },
      action: 'admin',
      resource: ({ project }) => project.normalized,
      async handle(request) {
        const project = request.params.project.normalized
        const { filename } = request.params.file
        await forget(depot, request, { ...request.params.file, project })
        return jsonResponse(200, { project, file: filename }, { 'Cache-Control': 'no-store' })
      },
    }),
  ]
}

/** @throws DepotError `NOT_FOUND` when no file of that name was deleted */
async function forget(depot: Depot, caller: Caller, distribution: Distribution): Promise<void> {
  const key = fileKey(distribution.project, distribution.filename)
  await depot.retryConflicts(async () => {
    const record = await depot.get(caller.cache, FILE_KIND, key)
    const file = record && parseFile(record)
    if (record === undefined || file === undefined || !isTombstone(file))
      throw new DepotError('NOT_FOUND', 'no file of that name was deleted here')
    const { puts = [], deletes = [] } = await leavePlace(depot, caller.cache, distribution)
    await depot.commit(caller.cache, {
      puts,
      deletes: [{ kind: FILE_KIND, key, expected: record.version }, ...deletes],
      audit: [auditEntry(caller, { action: 'python:admin', resource: key, digest: file.digest })],
    })
  })
}
