import type { MaybePromise } from './kv-store.ts'

export type Action = 'read' | 'write' | 'delete' | 'admin'

/** What a route says about who may use it: an action on a resource, or open to everyone, credentials or not. */
export type RoutePolicy = Action | 'public'

/** Who is calling. */
export interface Principal {
  /** Shown in the audit log: `anonymous`, a key's fingerprint, a token's id. */
  readonly id: string
}

export const ANONYMOUS: Principal = { id: 'anonymous' }

/** What an action is about, in words a grant can match: `npm`, `@acme/button`. */
export interface Resource {
  readonly cache: string
  readonly ecosystem: string
  /** The parsed name, or empty for what concerns the whole ecosystem. */
  readonly name: string
}

/** Header of a 401: the forms of credentials that clients may send. */
export const CHALLENGE = { 'WWW-Authenticate': 'Basic realm="depot", Bearer realm="depot"' } as const

/** `hidden`: the caller may not even know that it exists, so the answer is the 404 of a missing thing. */
export type Decision = 'allow' | 'unauthenticated' | 'forbidden' | 'hidden'

/** Tells who calls from the request's credentials, and what they may do. One of each in a server. */
export interface Access {
  authenticate(authorization: string | undefined): MaybePromise<Principal>
  authorize(principal: Principal, action: Action, resource: Resource): Decision
}

/** Everyone may do everything: right on loopback, and beyond it only when the operator insists. */
export const OPEN_ACCESS: Access = {
  authenticate: () => ANONYMOUS,
  authorize: () => 'allow',
}
