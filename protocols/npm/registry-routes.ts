import { jsonResponse } from '../../src/http/respond.ts'
import { route, type Route } from '../../src/protocol.ts'
import { whoamiRoute } from './account-routes.ts'

/** What clients ask of a registry as such. */
export function registryRoutes(): readonly Route[] {
  return [
    route({ method: 'GET', pattern: '/-/ping', action: 'public', handle: () => jsonResponse(200, {}) }),
    whoamiRoute(),
  ]
}
