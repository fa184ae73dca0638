import {
  ANONYMOUS,
  CHALLENGE,
  SOME_NAME,
  type Access,
  type Action,
  type Principal,
  type Resource,
  type RoutePolicy,
} from './access.ts'
import { DepotError } from './errors.ts'
import { parseTarget, type Target } from './http/path.ts'
import type { Match, Router } from './http/router.ts'
import type { SiteGuard } from './http/site.ts'
import type { MaybePromise } from './kv-store.ts'
import { LIMITS } from './limits.ts'
import { resourceOf } from './protocol.ts'
import { redacted } from './redact.ts'

/** What the gate looks at: the request line and its headers as they came, and from where. */
export interface RawRequest {
  readonly method: string
  /** The raw target. A URL object would have resolved the dot segments that must be refused. */
  readonly target: string
  /** Where the client is; empty when that is not known. */
  readonly address: string
  /** A header by its lower-case name. */
  header(name: string): string | undefined
}

/** A request that may be answered. */
export interface Admitted {
  readonly target: Target
  readonly match: Match
  readonly principal: Principal
  /** Whether anybody may read this: a cache that several share may keep an answer then, and only then. */
  readonly open: boolean
  /**
   * Decide on a name that only the body told.
   *
   * @throws DepotError as `admit` does
   */
  authorize(name: string): void
  /**
   * Decide on another action than the route's: what a body asks for may need more than its address tells.
   *
   * @throws DepotError as `admit` does
   */
  permit(action: Action, name: string): void
  /** Whether `authorize` would let this name pass. */
  may(name: string): boolean
}

/**
 * The one way in, for the hot path and for every handler: site, target, route, then one decision on the same parsed values
 * that the handler will see. A login that changes something is used up by it: a request is admitted once.
 */
export interface Gate {
  /** @throws DepotError for every refusal; the route is not called then. */
  admit(request: RawRequest): MaybePromise<Admitted>
}

export interface GateOptions {
  readonly site: SiteGuard
  readonly router: Router
  readonly access: Access
  /** Told when a known caller is refused a change. */
  readonly denied?: (principal: Principal, resource: Resource, request: RawRequest) => void
}

export function createGate({ site, router, access, denied = () => {} }: GateOptions): Gate {
  function decide(request: RawRequest, target: Target, match: Match, principal: Principal): Admitted {
    const { mount, route, params } = match
    const require = (action: RoutePolicy, resource: Resource): void => {
      const decision = access.authorize(principal, action, resource)
      if (decision === 'forbidden') denied(principal, resource, request)
      refuse(decision)
    }
    const permit = (action: RoutePolicy, name: string): void =>
      require(action, resourceOf(mount.protocol, mount.cache, name))
    const authorize = (name: string): void => permit(route.action, name)
    const may = (name: string): boolean =>
      access.authorize(principal, route.action, resourceOf(mount.protocol, mount.cache, name)) === 'allow'
    if (route.action === 'public') return { target, match, principal, open: true, authorize, permit, may }
    const resource = resourceOf(mount.protocol, mount.cache, route.resource(params))
    require(route.action, resource)
    const open = principal === ANONYMOUS || access.authorize(ANONYMOUS, route.action, resource) === 'allow'
    return { target, match, principal, open, authorize, permit, may }
  }

  return {
    admit(request) {
      const host = request.header('host')
      site.checkHost(host)
      site.checkOrigin(request.method, request.header('origin'), host)
      const target = parseTarget(request.target)
      const match = router.match(request.method, target.segments)
      const principal = access.authenticate({
        authorization: request.header('authorization'),
        method: request.method,
        path: target.path,
        host,
        policy: match.route.action,
        address: request.address,
      })
      return principal instanceof Promise
        ? principal.then((known) => decide(request, target, match, known))
        : decide(request, target, match, principal)
    },
  }
}

function refuse(decision: ReturnType<Access['authorize']>): void {
  switch (decision) {
    case 'allow':
      return
    case 'hidden':
      throw new DepotError('NOT_FOUND', 'the caller may not read this')
    case 'forbidden':
      throw new DepotError('FORBIDDEN', 'your credentials do not permit this')
    case 'unauthenticated':
      throw new DepotError(
        'UNAUTHENTICATED',
        "good credentials are needed here: see 'depot login', or put a token into netrc, .npmrc or pip.conf",
        { headers: CHALLENGE },
      )
  }
}

/** What the audit log says of a resource. */
export function resourceText({ ecosystem, name }: Resource): string {
  return redacted(`${ecosystem}:${name === SOME_NAME ? '*' : name}`)
}

/** What is kept of the name that a client gives itself. */
export function userAgentOf({ header }: Pick<RawRequest, 'header'>): string {
  return redacted(header('user-agent') ?? '').slice(0, LIMITS.userAgentCharsMax)
}
