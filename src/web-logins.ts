import type { Grant } from './access.ts'
import type { TokenCaller } from './tokens.ts'

/** Where a client waits from, for the audit log. */
export type LoginOrigin = Pick<TokenCaller, 'address' | 'userAgent'>

/** A login that waits for somebody to approve it. */
export interface StartedLogin {
  /** `ABCD-EFGH`: what a person reads on one screen and types on another. */
  readonly code: string
  /** What the client asks with. It begins with `dpt_`, so that logs do not show it. */
  readonly secret: string
}

/** A login as its approver must see it before they give anything away (RFC 8628 §5.4). */
export interface WaitingLogin {
  /** What the client calls itself: its own words. */
  readonly client: string
  /** Where it asked from, as the depot sees it. */
  readonly address: string
}

/** A login as its approver sees it afterwards. */
export interface ApprovedLogin {
  /** What the client that waits calls itself. */
  readonly client: string
  readonly grants: readonly Grant[]
}

/**
 * Logins of clients that know no SSH key, as RFC 8628 has them: the client shows a code, somebody who has a key approves it, the client
 * collects a token. They are kept `LIMITS.webLoginMs`, and every server over one database knows them.
 */
export interface WebLogins {
  /** @throws DepotError `TOO_MANY_REQUESTS` when as many wait as may */
  start(origin: LoginOrigin): Promise<StartedLogin>
  /**
   * Look at who waits with this code.
   *
   * @throws DepotError `NOT_FOUND`, `TOO_MANY_REQUESTS` as `approve`
   */
  look(caller: TokenCaller, code: string): Promise<WaitingLogin>
  /**
   * Give whoever waits with this code what the caller has of npm.
   *
   * @param code with or without its hyphen, in any case
   * @throws DepotError `NOT_FOUND` when no login waits with it, `FORBIDDEN` when the caller has nothing to give,
   * `TOO_MANY_REQUESTS` after too many wrong codes, `CONFLICT` as `Tokens.create`
   */
  approve(caller: TokenCaller, code: string): Promise<ApprovedLogin>
  /**
   * The token of an approved login, made at this moment and handed out once; undefined while nobody approved it.
   *
   * @throws DepotError `NOT_FOUND` when there is no such login, or not any more
   */
  collect(origin: LoginOrigin, secret: string): Promise<string | undefined>
}
