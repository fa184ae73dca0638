import type { DepotError } from '../../src/errors.ts'
import { MAIN_CACHE } from '../../src/kv-store.ts'
import { inventoryRoute } from '../../src/inventory-route.ts'
import type { Protocol } from '../../src/protocol.ts'
import { NO_ADVISORIES, type Advisories } from './advisories.ts'
import { attestationRoutes } from './attestation-routes.ts'
import { auditRoutes } from './audit-routes.ts'
import { accountRoutes, type NpmAccounts } from './account-routes.ts'
import { importRoutes } from './import-routes.ts'
import { deletionRoutes } from './deletion-routes.ts'
import { documentRoutes } from './document-routes.ts'
import { keysRoutes } from './keys-routes.ts'
import { missingVersionsRoute } from './missing-versions-route.ts'
import { ownerRoutes } from './owner-routes.ts'
import { packumentRoutes } from './packument-routes.ts'
import { publishRoutes } from './publish-routes.ts'
import { KIND } from './records.ts'
import { registryRoutes } from './registry-routes.ts'
import { searchRoutes } from './search-routes.ts'
import { seedRoutes } from './seed-routes.ts'
import { signStored } from './sign-stored.ts'
import type { RegistryKeys } from './signing.ts'
import { starRoutes } from './star-routes.ts'
import { tagRoutes } from './tag-routes.ts'
import { tarballRoutes } from './tarball-routes.ts'
import { tokenRoutes } from './token-routes.ts'
import { tombstoneRoutes } from './tombstone-routes.ts'
import { held } from './wanted.ts'
import { webLoginRoutes } from './web-login-routes.ts'

export interface NpmOptions {
  /** Without them npm has no logins and no tokens here. */
  readonly accounts?: NpmAccounts
  /** What packages are signed with; without them none is. */
  readonly npmKeys?: RegistryKeys
  /** What audits are answered from; without them nothing is found. */
  readonly advisories?: Advisories | undefined
}

/** The npm registry, as npm, pnpm, yarn and bun speak to it. */
export function npmProtocol({ accounts, npmKeys: keys, advisories = NO_ADVISORIES }: NpmOptions = {}): Protocol {
  const ofAccounts =
    accounts === undefined ? [] : [...accountRoutes(accounts), ...tokenRoutes(accounts), ...webLoginRoutes(accounts)]
  return {
    name: 'npm',
    mount: '/npm',
    root: true,
    normalize: joinScopes,
    routes: (depot) => [
      ...registryRoutes(),
      ...ofAccounts,
      ...tarballRoutes(depot),
      ...packumentRoutes(depot),
      ...searchRoutes(depot),
      ...keysRoutes(depot, keys),
      ...attestationRoutes(depot),
      missingVersionsRoute(depot),
      ...auditRoutes(advisories),
      ...publishRoutes(depot, keys?.signer),
      ...documentRoutes(depot),
      ...deletionRoutes(depot),
      ...tagRoutes(depot),
      ...ownerRoutes(depot),
      ...starRoutes(depot),
      ...tombstoneRoutes(depot),
      ...seedRoutes(depot, keys?.signer),
      ...importRoutes(depot),
      inventoryRoute(depot, KIND.version),
    ],
    held,
    errorBody,
    ...(keys === undefined ? {} : { tend: (depot, stop) => signStored(depot, MAIN_CACHE, keys.signer, stop) }),
  }
}

/**
 * One segment for a scoped name, however the client spells it: `/@s%2fname`, `/@s%2Fname` and `/@s/name` are `@s/name`. So
 * are the scoped file names of `/@s/name/-/@s/name-1.0.0.tgz`. What is authorised and what is read is then the same name.
 */
export function joinScopes(segments: readonly string[]): readonly string[] {
  if (!segments.some((segment) => segment.startsWith('@'))) return segments
  const joined: string[] = []
  for (let index = 0; index < segments.length; index++) {
    const segment = segments[index] ?? ''
    const next = segments[index + 1]
    if (!segment.startsWith('@') || segment.includes('/') || next === undefined) joined.push(segment)
    else {
      joined.push(`${segment}/${next}`)
      index++
    }
  }
  return joined
}

/** npm prints the `error` of a failed request. */
function errorBody(error: DepotError): { contentType: string; body: string } {
  return { contentType: 'application/json', body: JSON.stringify({ error: error.message }) }
}
