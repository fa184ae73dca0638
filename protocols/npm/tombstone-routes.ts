import type { Depot } from '../../src/depot.ts'
import { DepotError } from '../../src/errors.ts'
import { jsonResponse } from '../../src/http/respond.ts'
import { auditEntry, route, type Route } from '../../src/protocol.ts'
import { parsePackageName } from './package-name.ts'
import { isTombstone, KIND, readVersion } from './records.ts'
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
        const { key } = request.params.key
        const found = await depot.get(request.cache, KIND.version, key)
        if (found === undefined) throw new DepotError('NOT_FOUND', `nobody deleted ${key}: it is free`)
        const record = readVersion(found.value)
        if (!isTombstone(record)) throw new DepotError('CONFLICT', `${key} is not deleted: npm unpublish deletes it`)
        await depot.commit(request.cache, {
          deletes: [{ kind: KIND.version, key, expected: found.version }],
          audit: [auditEntry(request, { action: 'npm:admin', resource: key, digest: record.digest })],
        })
        return jsonResponse(200, { forgotten: key, ...record }, { 'Cache-Control': 'no-store' })
      },
    }),
  ]
}

/** `name@version`, and its name. A name has no `@` behind its first character. */
function parseVersionKey(segment: string): { readonly key: string; readonly name: string } | undefined {
  const at = segment.indexOf('@', 1)
  const name = at === -1 ? undefined : parsePackageName(segment.slice(0, at))
  return name === undefined || parseVersion(segment.slice(at + 1)) === undefined ? undefined : { key: segment, name }
}
