import { z } from 'zod'

import { breath } from '../../src/breath.ts'
import type { Depot } from '../../src/depot.ts'
import { readJson } from '../../src/http/body.ts'
import { parseAs } from '../../src/http/parse-as.ts'
import { jsonResponse } from '../../src/http/respond.ts'
import type { Cache } from '../../src/kv-store.ts'
import { LIMITS } from '../../src/limits.ts'
import type { LocalStore } from '../../src/local-store.ts'
import { route, type Route } from '../../src/protocol.ts'
import { findLocal } from './local-path.ts'
import type { NarinfoRules } from './narinfo-rules.ts'
import { PATH_KIND } from './records.ts'
import { storeHash } from './store-hash.ts'

const storeHashes = z.array(storeHash).max(LIMITS.missingPathsMax)

/**
 * `POST -/missing`: of a list of store hashes, those whose narinfo is not to be had here, each once, as `{"missing": […]}`. One request
 * for a whole closure, where Nix sends one a path. It changes nothing, so whoever may read may ask.
 */
export function missingRoute(depot: Depot, { localStore }: Pick<NarinfoRules, 'localStore'>): Route {
  return route({
    method: 'POST',
    pattern: '/-/missing',
    action: 'read',
    async handle(request) {
      const json = await readJson(request, LIMITS.missingBodyBytesMax)
      const wanted = parseAs(storeHashes, json, 'the list of store hashes')
      const missing = await missingOf(depot, request.cache, new Set(wanted), localStore)
      return jsonResponse(200, { missing: [...missing] }, { 'Cache-Control': 'no-store' })
    },
  })
}

async function missingOf(
  depot: Depot,
  cache: Cache,
  wanted: ReadonlySet<string>,
  localStore: LocalStore | undefined,
): Promise<ReadonlySet<string>> {
  const missing = new Set(wanted)
  const hashes = [...wanted]
  for (let at = 0; at < hashes.length; at += LIMITS.lookupKeysMax) {
    const page = hashes.slice(at, at + LIMITS.lookupKeysMax)
    for (const hash of await depot.kv.present(cache.id, PATH_KIND, page)) missing.delete(hash)
    for (const hash of page) {
      await breath()
      if (missing.has(hash) && findLocal(localStore, hash) !== undefined) missing.delete(hash)
    }
  }
  return missing
}
