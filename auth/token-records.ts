import { z } from 'zod'

import { ACTIONS } from '../src/access.ts'
import type { KvRecord } from '../src/kv-store.ts'
import type { TokenInfo } from '../src/tokens.ts'

/** Kinds of records of `SYSTEM_CACHE`. */
export const KIND = {
  /** Key: the token's id. */
  token: 'auth-token',
  /** Key: the token's id. When it was last used; apart, so that writing it never brings back a token that was revoked meanwhile. */
  use: 'auth-token-use',
  /** Key: the code of a login that waits. */
  webLogin: 'auth-web-login',
  /** Key: when a login ends, and the hash of it: it has changed something and is no longer good. */
  usedLogin: 'auth-login',
} as const

const grants = z.array(z.object({ ecosystem: z.string(), action: z.enum([...ACTIONS, '*']), pattern: z.string() }))
const ms = z.number()

/** What is kept of a token. */
export type TokenRecord = z.infer<typeof token>

const token = z.object({
  /** sha256 of the secret, as hex. */
  secretHash: z.string(),
  name: z.string(),
  /** Its own grants, then those of each token that it descends from. What its SSH key may do is asked at every use. */
  limits: z.array(grants),
  /** Fingerprint of the SSH key. */
  key: z.string(),
  /** Ids of the tokens that it descends from, oldest first. */
  ancestors: z.array(z.string()),
  createdAt: ms,
  expiresAt: ms,
  revokedAt: ms.optional(),
})

/** @throws ZodError when somebody else than a depot wrote the record */
export function readToken({ value }: Pick<KvRecord, 'value'>): TokenRecord {
  return token.parse(JSON.parse(value))
}

const use = z.object({ at: ms })

/** Milliseconds since 1970. */
export function readUse({ value }: Pick<KvRecord, 'value'>): number {
  return use.parse(JSON.parse(value)).at
}

/** What is kept of a login with a code. */
export type WebLoginRecord = z.infer<typeof webLogin>

const webLogin = z.object({
  /** sha256, as hex, of the secret that the waiting client polls with. */
  secretHash: z.string(),
  /** What the client calls itself, and where it is. */
  client: z.string(),
  address: z.string(),
  expiresAt: ms,
  /** Who approved it, and what they gave. */
  approval: z.object({ id: z.string(), name: z.string(), key: z.string(), grants }).optional(),
})

/** @throws ZodError as `readToken` */
export function readWebLogin({ value }: Pick<KvRecord, 'value'>): WebLoginRecord {
  return webLogin.parse(JSON.parse(value))
}

/** What may be told of a token. */
export function tokenInfo(id: string, record: TokenRecord, lastUsedAt?: number): TokenInfo {
  const { name, limits, key, createdAt, expiresAt, revokedAt } = record
  return {
    id,
    name,
    grants: limits[0] ?? [],
    key,
    createdAt,
    expiresAt,
    ...(revokedAt === undefined ? {} : { revokedAt }),
    ...(lastUsedAt === undefined ? {} : { lastUsedAt }),
  }
}

/**
 * When a token stops being good, or did, in milliseconds since 1970: it does so with every token that it descends from.
 *
 * @param recordOf the record of another token of the same key
 */
export function endOf(token: TokenRecord, recordOf: (id: string) => TokenRecord | undefined): number {
  const line = [token, ...token.ancestors.map(recordOf)]
  // One that is not there any more was cleared away, long after its end.
  return Math.min(
    ...line.map((each) => (each === undefined ? 0 : Math.min(each.expiresAt, each.revokedAt ?? Infinity))),
  )
}

/** Whether the token alone is good: its ancestors are another question. */
export function isLive({ expiresAt, revokedAt }: TokenRecord, now: number): boolean {
  return revokedAt === undefined && now < expiresAt
}
