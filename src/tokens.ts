import type { Grant, Principal } from './access.ts'

/** What may be told of a stored token; its secret is shown once, to whoever makes it. */
export interface TokenInfo {
  /** 12 characters, base62. */
  readonly id: string
  readonly name: string
  readonly grants: readonly Grant[]
  /** Fingerprint of the SSH key that it goes back to: when that key goes, the token stops. */
  readonly key: string
  /** Milliseconds since 1970. */
  readonly createdAt: number
  readonly expiresAt: number
  readonly revokedAt?: number
  /** Written at most once a minute. */
  readonly lastUsedAt?: number
}

/** A token as somebody asks for it. */
export interface TokenRequest {
  readonly name: string
  /** It also never gets more than its creator has. */
  readonly grants: readonly Grant[]
  /** Take what the creator has of these grants; otherwise one that the creator does not have is refused. */
  readonly narrow?: boolean
  /** How long it is good, in seconds; the default and the most are `LIMITS.tokenSeconds…`, and never beyond its creator's own end. */
  readonly seconds?: number
}

/** Where a change comes from, for the audit log. */
export interface TokenCaller {
  readonly principal: Principal
  readonly address: string
  readonly userAgent: string
}

/** Stored tokens, `dpt_<id>_<secret>_<checksum>`: what netrc, .npmrc and pip.conf can hold. */
export interface Tokens {
  /**
   * @returns the whole token, which nothing remembers afterwards
   * @throws DepotError `FORBIDDEN` for an anonymous caller and for grants that the creator does not have, `BAD_REQUEST` for a
   * name or a time out of bounds, `CONFLICT` when its SSH key has as many good ones as it may.
   */
  create(caller: TokenCaller, request: TokenRequest): Promise<{ readonly token: string; readonly info: TokenInfo }>
  /** Those that the caller may see, youngest first: a key its own, a token itself and what it made, an administrator all. */
  list(principal: Principal): Promise<readonly TokenInfo[]>
  /**
   * Revoking one that is revoked already changes nothing.
   *
   * @throws DepotError `NOT_FOUND` for a token that is not there or that the caller may not see.
   */
  revoke(caller: TokenCaller, id: string): Promise<void>
  /** The id of a token with this text, if it is a good one: what npm's logout and password login show. */
  verify(token: string): Promise<string | undefined>
}
