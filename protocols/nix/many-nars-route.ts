import type { Depot } from '../../src/depot.ts'
import { jsonResponse } from '../../src/http/respond.ts'
import { LIMITS } from '../../src/limits.ts'
import { route, type Route } from '../../src/protocol.ts'
import { plainBody } from './content-encoding.ts'
import { nix32OfHex } from './nix32.ts'
import { storeNars } from './store-nars.ts'

/**
 * `POST -/nars`: many small archives in one request, each as a string of the archive format (its length, then itself); a Content-Encoding
 * may be on the whole. All of them are stored, or none. The answer names them in the same order: `{"archives": ["sha256:…", …]}`.
 */
export function manyNarsRoute(depot: Depot): Route {
  return route({
    method: 'POST',
    pattern: '/-/nars',
    action: 'write',
    async handle(request) {
      const digests = await storeNars(depot, request, plainBody(request, LIMITS.manyNarsBytesMax))
      const archives = digests.map((digest) => `sha256:${nix32OfHex(digest)}`)
      return jsonResponse(201, { archives }, { 'Cache-Control': 'no-store' })
    },
  })
}
