import { CHALLENGE, type Access, type Principal } from './access.ts'
import { DepotError } from './errors.ts'
import { parseTarget, type Target } from './http/path.ts'
import type { Match, Router } from './http/router.ts'
import type { SiteGuard } from './http/site.ts'
import type { MaybePromise } from './kv-store.ts'
import { resourceOf } from './protocol.ts'

/** What the gate looks at: the request line and its headers as they came. */
export interface RawRequest {
  readonly method: string
  /** The raw target. A URL object would have resolved the dot segments that must be refused. */
  readonly target: string
  /** A header by its lower-case name. */
  header(name: string): string | undefined
}

/** A request that may be answered. */
export interface Admitted {
  readonly target: Target
  readonly match: Match
  readonly principal: Principal
}

/**
 * The one way in, for the hot path and for every handler: site, target, route, then one decision on the same parsed values
 * that the handler will see.
 */
export interface Gate {
  /** @throws DepotError for every refusal; the route is not called then. */
  admit(request: RawRequest): MaybePromise<Admitted>
}

export function createGate({ site, router, access }: { site: SiteGuard; router: Router; access: Access }): Gate {
  return {
    admit(request) {
      const host = request.header('host')
      site.checkHost(host)
      site.checkOrigin(request.method, request.header('origin'), host)
      const target = parseTarget(request.target)
      const match = router.match(request.method, target.segments)
      const principal = access.authenticate(request.header('authorization'))
      return principal instanceof Promise
        ? principal.then((known) => decide(access, target, match, known))
        : decide(access, target, match, principal)
    },
  }
}

function decide(access: Access, target: Target, match: Match, principal: Principal): Admitted {
  const { mount, route, params } = match
  if (route.action !== 'public') {
    const resource = resourceOf(mount.protocol, mount.cache, route.resource(params))
    refuse(access.authorize(principal, route.action, resource))
  }
  return { target, match, principal }
}

function refuse(decision: ReturnType<Access['authorize']>): void {
  switch (decision) {
    case 'allow':
      return
    case 'hidden':
      throw new DepotError('NOT_FOUND', 'nothing is served here')
    case 'forbidden':
      throw new DepotError('FORBIDDEN', 'your credentials do not permit this')
    case 'unauthenticated':
      throw new DepotError('UNAUTHENTICATED', 'credentials are needed here', { headers: CHALLENGE })
  }
}
