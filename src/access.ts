import type { MaybePromise } from './kv-store.ts'

/** What a grant may permit. */
export const ACTIONS = ['read', 'write', 'delete', 'admin'] as const
export type Action = (typeof ACTIONS)[number]

/**
 * What a route says about who may use it: an action on a resource; `account` for what concerns the caller's own credentials, so
 * anybody who is known; `public` for everyone, credentials or not.
 */
export type RoutePolicy = Action | 'account' | 'public'

/** A right: an action on the names of an ecosystem that a pattern matches. Written `npm:write:@acme/*`. */
export interface Grant {
  /** A protocol's name, or `*`. */
  readonly ecosystem: string
  /** `write` includes `read`; `*` is every action. */
  readonly action: Action | '*'
  /** A name in which `*` stands for any characters, `/` too; `*` alone also covers what concerns the whole ecosystem. */
  readonly pattern: string
}

/** Who is calling. */
export interface Principal {
  /** In the audit log: `anonymous`, a key's fingerprint `SHA256:…`, or `token:<id>`. */
  readonly id: string
  /** What people call it: the comment of a key, the name of a token. */
  readonly name: string
  /** Fingerprint of the SSH key that everything this caller may do goes back to; empty for anonymous ones. */
  readonly key: string
  /** Every layer must permit what is asked: the key's own rights, and whatever narrows them. */
  readonly limits: readonly (readonly Grant[])[]
  /** The `jti` of a login or the id of a stored token, for the audit log. Never anything secret. */
  readonly credential: string
  /** Seconds since 1970 after which the credential is no longer good; absent when it has no end of its own. */
  readonly expiresAt?: number
}

/** Whoever shows no credentials, or none that are good. */
export const ANONYMOUS: Principal = { id: 'anonymous', name: 'anonymous', key: '', limits: [[]], credential: '' }

/** What an action is about, in words a grant can match: `npm`, `@acme/button`. */
export interface Resource {
  readonly cache: string
  readonly ecosystem: string
  /** The parsed name; empty for what concerns the whole ecosystem; `SOME_NAME` for one that only the body will tell. */
  readonly name: string | typeof SOME_NAME
}

/** Stands for a name that is not known yet: whoever may do this to no name at all is refused before the body is read. */
export const SOME_NAME = Symbol('some name')

/** What a request shows of its sender. */
export interface Credentials {
  /** The Authorization header. */
  readonly authorization: string | undefined
  readonly method: string
  /** The raw path, without the query. */
  readonly path: string
  /** The Host header. */
  readonly host: string | undefined
  readonly policy: RoutePolicy
  readonly address: string
}

/** Header of a 401: the forms of credentials that clients may send. curl and pip look for the first of them. */
export const CHALLENGE = { 'WWW-Authenticate': 'Basic realm="depot", Bearer error="invalid_token"' } as const

/** `hidden`: the caller may not even know that it exists, so the answer is the 404 of a missing thing. */
export type Decision = 'allow' | 'unauthenticated' | 'forbidden' | 'hidden'

/** Tells who calls from the request's credentials, and what they may do. One of each in a server. */
export interface Access {
  /**
   * Who is calling. Credentials that are not good make the caller anonymous: where anonymous ones may not go, the answer is the same
   * 401 for every cause. A login that changes something is good once.
   *
   * @throws DepotError `TOO_MANY_REQUESTS` when an address has shown too many bad logins, `STORAGE_DOWN`.
   */
  authenticate(credentials: Credentials): MaybePromise<Principal>
  authorize(principal: Principal, policy: RoutePolicy, resource: Resource): Decision
}

/** Everyone may do everything: right on loopback, and beyond it only when the operator insists. */
export const OPEN_ACCESS: Access = {
  authenticate: () => ANONYMOUS,
  authorize: () => 'allow',
}
