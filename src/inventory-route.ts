import { z } from 'zod'

import { breath } from './breath.ts'
import type { Depot } from './depot.ts'
import { parseAs } from './http/parse-as.ts'
import { jsonResponse, responseTo } from './http/respond.ts'
import type { Cache } from './kv-store.ts'
import { LIMITS } from './limits.ts'
import { route, type Route } from './protocol.ts'

/** Behind which of the references. */
const query = z.object({ key: z.string().max(1024).default(''), digest: z.string().max(64).default('') })
type Place = z.infer<typeof query>

/**
 * `GET -/inventory?key=&digest=`: the digests of the blobs that the records of a kind refer to, page by page: `{"digests": […], "next"?}`, where
 * `next` is the next page's query. A digest may come more than once. What is damaged is not among them, so that it is brought again.
 */
export function inventoryRoute(depot: Depot, kind: string): Route {
  return route({
    method: 'GET',
    pattern: '/-/inventory',
    action: 'read',
    root: false,
    async handle(request) {
      const after = parseAs(query, Object.fromEntries(request.query), 'the query')
      const page = await pageBehind(depot, request.cache, kind, after)
      return responseTo(request, jsonResponse(200, page, { 'Cache-Control': 'no-store' }))
    },
  })
}

interface Page {
  readonly digests: readonly string[]
  readonly next?: Place
}

async function pageBehind(depot: Depot, cache: Cache, kind: string, after: Place): Promise<Page> {
  const behind = {
    cache: cache.id,
    kind,
    key: after.key,
    domain: after.key === '' ? '' : cache.domain,
    digest: after.digest,
  }
  const references = await depot.kv.references(behind, LIMITS.inventoryPageMax)
  const ours = references.filter((reference) => reference.cache === cache.id && reference.kind === kind)
  const digests: string[] = []
  for (const { domain, digest } of ours) {
    await breath()
    if ((await depot.kv.blob(domain, digest))?.state === 'live') digests.push(digest)
  }
  const last = ours.at(-1)
  if (last === undefined || ours.length < LIMITS.inventoryPageMax) return { digests }
  return { digests, next: { key: last.key, digest: last.digest } }
}
