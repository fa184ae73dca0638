import { z } from 'zod'

import type { Depot } from '../../src/depot.ts'
import { DepotError } from '../../src/errors.ts'
import { readJson } from '../../src/http/body.ts'
import { parseAs } from '../../src/http/parse-as.ts'
import { jsonResponse } from '../../src/http/respond.ts'
import { LIMITS } from '../../src/limits.ts'
import { route, type Caller, type Route } from '../../src/protocol.ts'
import { deletePaths } from './delete-paths.ts'
import { planDeletion, type Wanted } from './deletion-plan.ts'
import { PATH_PATTERN } from './path-routes.ts'
import { parseStoreHash, storeHash } from './store-hash.ts'
import { printStorePath } from './store-path.ts'
import type { StoredPath } from './stored-path.ts'

const ALSO = z.enum(['closure', 'referrers'])

const deletion = z.strictObject({
  paths: z.array(storeHash).min(1).max(LIMITS.nixPlannedPathsMax),
  also: ALSO.optional(),
  /** Only tell what would go. */
  dryRun: z.boolean().default(false),
})

/**
 * `DELETE -/paths/<hash>` deletes one path, `POST -/deletions` several at once, or tells in which order any number of them can go. Both
 * answer `{"deleted": boolean, "paths": [{"path", "narSize"}, …]}`, referrers first.
 */
export function deletionRoutes(depot: Depot): readonly Route[] {
  return [
    route({
      method: 'DELETE',
      pattern: PATH_PATTERN,
      params: { hash: parseStoreHash },
      action: 'delete',
      handle: (request) => {
        const also = request.query.get('also')
        const wanted = {
          paths: [request.params.hash],
          also: also === null ? undefined : parseAs(ALSO, also, 'also'),
        }
        return deleted(depot, request, wanted)
      },
    }),
    route({
      method: 'POST',
      pattern: '/-/deletions',
      action: 'delete',
      async handle(request) {
        const json = await readJson(request, LIMITS.nixPlanBodyBytesMax)
        const { dryRun, ...wanted } = parseAs(deletion, json, 'the deletion')
        if (!dryRun) return deleted(depot, request, wanted)
        return answer(false, await planDeletion(depot, request.cache, wanted))
      },
    }),
  ]
}

async function deleted(depot: Depot, request: Caller, wanted: Wanted): Promise<Response> {
  if (wanted.paths.length > LIMITS.nixDeletedPathsMax)
    throw new DepotError('TOO_LARGE', `one request deletes ${LIMITS.nixDeletedPathsMax} paths at most`)
  return answer(true, await deletePaths(depot, request, wanted))
}

function answer(isDeleted: boolean, paths: readonly StoredPath[]): Response {
  const told = paths.map(({ entry }) => ({ path: printStorePath(entry.baseName), narSize: entry.narSizeBytes }))
  return jsonResponse(200, { deleted: isDeleted, paths: told }, { 'Cache-Control': 'no-store' })
}
