import type { Depot } from '../../src/depot.ts'
import { readJson } from '../../src/http/body.ts'
import { jsonResponse } from '../../src/http/respond.ts'
import { LIMITS } from '../../src/limits.ts'
import { auditEntry, route, type DepotRequest, type Route } from '../../src/protocol.ts'
import { parseHistory, withHistory } from './import-history.ts'
import { parsePackageName } from './package-name.ts'
import { requirePackage } from './packages.ts'
import { KIND } from './records.ts'

/**
 * `PUT /-/packages/{name}/history`: what became of a package elsewhere, once its versions have been brought in. Nothing of it
 * concerns bytes: when versions were published, their tags and deprecations, the readme.
 */
export function importRoutes(depot: Depot): readonly Route[] {
  return [
    route({
      method: 'PUT',
      pattern: '/-/packages/:name/history',
      params: { name: parsePackageName },
      action: 'write',
      resource: ({ name }) => name,
      handle: (request) => putHistory(depot, request),
    }),
  ]
}

async function putHistory(depot: Depot, request: DepotRequest<{ name: string }>): Promise<Response> {
  const { cache, params } = request
  const { name } = params
  const history = parseHistory(await readJson(request, LIMITS.npmManifestBytesMax), Date.now())
  await depot.retryConflicts(async () => {
    const loaded = await requirePackage(depot, cache, name)
    const before = JSON.stringify(loaded.record)
    const value = JSON.stringify(withHistory(loaded.record, history))
    if (value === before) return
    await depot.commit(cache, {
      puts: [{ kind: KIND.package, key: name, value, expected: loaded.version }],
      audit: [auditEntry(request, { action: 'npm:write', resource: `${name} history`, digest: '' })],
    })
    depot.events.recordWritten('npm', name)
  })
  return jsonResponse(200, { ok: 'the history is here', success: true }, { 'Cache-Control': 'no-store' })
}
