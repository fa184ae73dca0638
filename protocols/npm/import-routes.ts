import type { Depot } from '../../src/depot.ts'
import { readJson } from '../../src/http/body.ts'
import { jsonResponse } from '../../src/http/respond.ts'
import { LIMITS } from '../../src/limits.ts'
import { route, type DepotRequest, type Route } from '../../src/protocol.ts'
import { parseHistory, withHistory } from './import-history.ts'
import { parsePackageName } from './package-name.ts'
import { writeLivePackage } from './write-package.ts'

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
  const { name } = request.params
  const history = parseHistory(await readJson(request, LIMITS.npmManifestBytesMax), Date.now())
  await writeLivePackage(depot, request, name, (loaded) => {
    const record = withHistory(loaded.record, history)
    // As text: the order of versions is part of it.
    if (JSON.stringify(record) === JSON.stringify(loaded.record)) return undefined
    return { record, done: [{ action: 'write', what: 'history' }] }
  })
  return jsonResponse(200, { ok: 'the history is here', success: true }, { 'Cache-Control': 'no-store' })
}
