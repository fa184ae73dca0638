import type { Depot } from '../../src/depot.ts'
import { DepotError } from '../../src/errors.ts'
import { jsonResponse } from '../../src/http/respond.ts'
import { route, type Route } from '../../src/protocol.ts'
import { npmAuditEntry } from './audit-line.ts'
import { parsePackageName } from './package-name.ts'
import { findVersion } from './packages.ts'
import { isTombstone, KIND, versionKey } from './records.ts'
import { parseVersion } from './version.ts'

/** `DELETE -/tombstones/<name>@<version>`: the one way by which the name of a deleted version becomes free again. */
export function tombstoneRoutes(depot: Depot): readonly Route[] {
  return [
    route({
      method: 'DELETE',
      pattern: '/-/tombstones/:key',
      params: { key: parseVersionKey },
      action: 'admin',
      resource: ({ key }) => key.name,
      async handle(request) {
        const { name, version } = request.params.key
        const key = versionKey(name, version)
        const found = await findVersion(depot, request.cache, name, version)
        if (found === undefined) throw new DepotError('NOT_FOUND', `nobody deleted ${key}: it is free`)
        const { record, expected } = found
        if (!isTombstone(record)) throw new DepotError('CONFLICT', `${key} is not deleted: npm unpublish deletes it`)
        await depot.commit(request.cache, {
          deletes: [{ kind: KIND.version, key, expected }],
          audit: [npmAuditEntry(request, name, { action: 'admin', part: version, digest: record.digest })],
        })
        return jsonResponse(200, { forgotten: key, ...record }, { 'Cache-Control': 'no-store' })
      },
    }),
  ]
}

/** A name has no `@` behind its first character. */
function parseVersionKey(segment: string): { readonly name: string; readonly version: string } | undefined {
  const at = segment.indexOf('@', 1)
  const name = at === -1 ? undefined : parsePackageName(segment.slice(0, at))
  const version = parseVersion(segment.slice(at + 1))
  return name === undefined || version === undefined ? undefined : { name, version }
}
