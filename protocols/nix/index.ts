import type { Protocol } from '../../src/protocol.ts'
import { cacheInfoRoutes } from './cache-info.ts'
import { narDownload, narUpload } from './nar-routes.ts'
import { narinfoDownload, narinfoUpload } from './narinfo-routes.ts'
import type { SigningKey } from './signing.ts'

export interface NixOptions {
  /** Every one signs every path. Without any, clients must trust the cache without signatures. */
  readonly signingKeys: readonly SigningKey[]
}

/** A Nix binary cache over HTTP, at `/nix` and at the root: both forms stand in what users copy and paste. */
export function nixProtocol({ signingKeys }: NixOptions): Protocol {
  return {
    name: 'nix',
    mount: '/nix',
    root: true,
    routes: (depot) => [
      ...cacheInfoRoutes(signingKeys),
      narDownload(depot),
      narUpload(depot),
      narinfoDownload(depot, signingKeys),
      narinfoUpload(depot, signingKeys),
    ],
  }
}
