import { inventoryRoute } from '../../src/inventory-route.ts'
import type { Protocol } from '../../src/protocol.ts'
import { heldAs } from '../../src/wanted.ts'
import { cacheInfoRoutes } from './cache-info.ts'
import { debugInfoRoutes } from './debug-info-routes.ts'
import { deletionRoutes } from './deletion-routes.ts'
import { listingRoutes } from './listing-routes.ts'
import { logRoutes } from './log-routes.ts'
import { manyNarinfosRoute } from './many-narinfos-route.ts'
import { manyNarsRoute } from './many-nars-route.ts'
import { missingRoute } from './missing-route.ts'
import { narDownload, narUpload } from './nar-routes.ts'
import type { NarinfoRules } from './narinfo-rules.ts'
import { narinfoDownload, narinfoUpload } from './narinfo-routes.ts'
import { pathRoutes } from './path-routes.ts'
import { PATH_KIND } from './records.ts'
import { realisationRoutes } from './realisation-routes.ts'

/** The keys that sign, and what else is not as usual: no trusted keys, nothing asked of signatures, references must be here, no local store. */
export type NixOptions = Pick<NarinfoRules, 'signingKeys'> & Partial<NarinfoRules>

/** Store hashes, the keys of paths. */
const HELD = heldAs(PATH_KIND)

/** Where no Nix client asks, but our own does. */
const OWN_API = /^(?:\/nix)?\/-\//

/** A Nix binary cache over HTTP, at `/nix` and at the root: both forms stand in what users copy and paste. */
export function nixProtocol(options: NixOptions): Protocol {
  const rules: NarinfoRules = {
    signingKeys: options.signingKeys,
    trustedKeys: options.trustedKeys ?? [],
    requireTrustedSignature: options.requireTrustedSignature ?? false,
    requireReferences: options.requireReferences ?? true,
    localStore: options.localStore,
  }
  return {
    name: 'nix',
    mount: '/nix',
    root: true,
    routes: (depot) => [
      ...cacheInfoRoutes(rules.signingKeys),
      narDownload(depot, rules),
      narUpload(depot),
      narinfoDownload(depot, rules),
      narinfoUpload(depot, rules),
      ...listingRoutes(depot, rules),
      ...logRoutes(depot, rules),
      ...realisationRoutes(depot, rules),
      ...debugInfoRoutes(depot),
      missingRoute(depot, rules),
      manyNarsRoute(depot),
      manyNarinfosRoute(depot, rules),
      ...pathRoutes(depot),
      ...deletionRoutes(depot),
      inventoryRoute(depot, PATH_KIND),
    ],
    held: HELD,
    errorBody: ({ message }, target) =>
      OWN_API.test(target) ? { contentType: 'application/json', body: JSON.stringify({ error: message }) } : undefined,
  }
}
