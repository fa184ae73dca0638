import { z } from 'zod'

import { ANONYMOUS, SOME_NAME } from '../../src/access.ts'
import type { Depot } from '../../src/depot.ts'
import { DepotError } from '../../src/errors.ts'
import { readJson } from '../../src/http/body.ts'
import { parseAs } from '../../src/http/parse-as.ts'
import { jsonResponse } from '../../src/http/respond.ts'
import { LIMITS } from '../../src/limits.ts'
import { route, type DepotRequest, type Route } from '../../src/protocol.ts'
import { userName } from './account-routes.ts'
import { parsePackageName } from './package-name.ts'
import { withStar } from './package-record.ts'
import { writeLivePackage } from './write-package.ts'

/** `pnpm star` and `unstar` (pnpm 12), which npm does with the whole packument. */
export function starRoutes(depot: Depot): readonly Route[] {
  const shared = { pattern: '/-/user/v1/star', action: 'write', resource: SOME_NAME } as const
  return [
    route({ ...shared, method: 'PUT', handle: (request) => star(depot, request, true) }),
    route({ ...shared, method: 'DELETE', handle: (request) => star(depot, request, false) }),
  ]
}

const bodySchema = z.object({ package: z.string().max(LIMITS.npmNameLengthMax) })

/** @throws DepotError `FORBIDDEN` for a caller without a name: nobody in particular has no star to give */
async function star(depot: Depot, request: DepotRequest, starred: boolean): Promise<Response> {
  const body = parseAs(bodySchema, await readJson(request, LIMITS.accountBodyBytesMax), 'the star')
  const name = parsePackageName(body.package)
  if (name === undefined) throw new DepotError('BAD_REQUEST', 'the body names no package: {"package": "left-pad"}')
  request.authorize(name)
  const { principal } = request
  if (principal.id === ANONYMOUS.id)
    throw new DepotError('FORBIDDEN', 'a star needs somebody who gives it: log in first')
  await writeLivePackage(depot, request, name, ({ record }) => {
    const changed = withStar(record, userName(principal), starred)
    if (changed === record) return undefined
    return { record: { ...changed, modified: new Date().toISOString() }, done: [{ action: 'write' }] }
  })
  return jsonResponse(200, { ok: starred ? 'starred' : 'no star any more', success: true })
}
