import { ANONYMOUS, CHALLENGE } from '../../src/access.ts'
import { DepotError } from '../../src/errors.ts'
import { jsonResponse } from '../../src/http/respond.ts'
import { route, type Route } from '../../src/protocol.ts'

/** What clients ask of a registry as such. */
export function registryRoutes(): readonly Route[] {
  return [
    route({ method: 'GET', pattern: '/-/ping', action: 'public', handle: () => jsonResponse(200, {}) }),
    route({
      method: 'GET',
      pattern: '/-/whoami',
      action: 'public',
      handle({ principal }) {
        if (principal.id === ANONYMOUS.id) {
          throw new DepotError('UNAUTHENTICATED', 'you are not logged in', { headers: CHALLENGE })
        }
        return jsonResponse(200, { username: principal.id })
      },
    }),
  ]
}
