import { timingSafeEqual } from 'node:crypto'

import type { Principal } from '../src/access.ts'
import { DepotError } from '../src/errors.ts'
import { SYSTEM_CACHE, type KvRecord, type MaybePromise } from '../src/kv-store.ts'
import type { TokenInfo, Tokens } from '../src/tokens.ts'
import { hashSecret, parseApiToken } from './api-token.ts'
import { covers } from './grants.ts'
import { lastUseNotes } from './last-use.ts'
import { callingToken, mintToken, tokenAudit, tokenIdPrefix, tokenPrincipalId, type TokenStore } from './mint-token.ts'
import { endOf, isLive, KIND, readToken, readUse, tokenInfo, type TokenRecord } from './token-records.ts'

/** Why a token is not good: for the log, never for whoever showed it. */
export type TokenRefusal = 'malformed' | 'unknown' | 'wrong secret' | 'expired' | 'revoked' | 'ancestor gone'

/** The tokens of a depot, for those who manage them and for whoever is shown one. */
export interface StoredTokens extends Tokens {
  /**
   * Whose token this is: one row is read, and one for each token that it descends from. Its limits are those of the token; whatever
   * its SSH key may do at this moment is still to be added to them.
   */
  authenticate(token: string): MaybePromise<Principal | TokenRefusal>
  /** Note that the token with this id was used: `authenticate` does; whoever remembers its answer does so for every further use. */
  used(id: string): void
}

export interface StoredTokensOptions {
  readonly store: TokenStore
  /** Whether the SSH key with this fingerprint is still good for anything. */
  readonly knowsKey?: (fingerprint: string) => boolean
  /** Milliseconds since 1970. */
  readonly now?: () => number
}

/** Stored tokens as records of `SYSTEM_CACHE`, so that every server over one database knows the same ones. */
export function storedTokens({ store, knowsKey = () => true, now = Date.now }: StoredTokensOptions): StoredTokens {
  const { kv } = store
  const used = lastUseNotes(store, now)

  function judge(id: string, secret: string, row: KvRecord | undefined): MaybePromise<Principal | TokenRefusal> {
    // An unknown id costs what a known one does.
    const record = readToken(row ?? NOBODY)
    const same = timingSafeEqual(hashSecret(secret), Buffer.from(record.secretHash, 'hex'))
    if (row === undefined) return 'unknown'
    if (!same) return 'wrong secret'
    if (record.revokedAt !== undefined) return 'revoked'
    if (!isLive(record, now())) return 'expired'
    const accept = (): Principal => {
      used(id)
      return principalOf(id, record)
    }
    return record.ancestors.length === 0
      ? accept()
      : allLive(record.ancestors).then((live) => (live ? accept() : 'ancestor gone'))
  }

  async function allLive(ids: readonly string[]): Promise<boolean> {
    const rows = await Promise.all(ids.map((id) => kv.get(SYSTEM_CACHE.id, KIND.token, id)))
    return rows.every((row) => row !== undefined && isLive(readToken(row), now()))
  }

  function authenticate(token: string): MaybePromise<Principal | TokenRefusal> {
    const shown = parseApiToken(token)
    if (shown === undefined) return 'malformed'
    const row = kv.get(SYSTEM_CACHE.id, KIND.token, shown.id)
    return row instanceof Promise
      ? row.then((found) => judge(shown.id, shown.secret, found))
      : judge(shown.id, shown.secret, row)
  }

  return {
    authenticate,
    used,
    async create(caller, request) {
      const { token, info, change } = await mintToken(store, caller, request, now())
      await kv.commit({ cache: SYSTEM_CACHE.id, ...change })
      return { token, info }
    },
    list: (principal) => listTokens(store, principal),
    revoke: (caller, id) =>
      store.retryConflicts(async () => {
        const row = await kv.get(SYSTEM_CACHE.id, KIND.token, id)
        const record = row === undefined ? undefined : readToken(row)
        if (row === undefined || record === undefined || !maySee(caller.principal, id, record))
          throw new DepotError('NOT_FOUND', 'there is no such token')
        if (record.revokedAt !== undefined) return
        const value = JSON.stringify({ ...record, revokedAt: now() } satisfies TokenRecord)
        await kv.commit({
          cache: SYSTEM_CACHE.id,
          puts: [{ kind: KIND.token, key: id, value, expected: row.version }],
          audit: [tokenAudit(caller, 'token:revoke', id, record.name)],
        })
      }),
    async verify(token) {
      const principal = await authenticate(token)
      return typeof principal === 'string' || !knowsKey(principal.key) ? undefined : principal.credential
    },
  }
}

/** Stands in for the record of an id that nobody has. No secret has this hash. */
const NOBODY = {
  value: JSON.stringify({
    secretHash: '0'.repeat(64),
    name: 'nobody',
    limits: [[]],
    key: '',
    ancestors: [],
    createdAt: 0,
    expiresAt: 0,
  } satisfies TokenRecord),
}

function principalOf(id: string, { name, key, limits, expiresAt }: TokenRecord): Principal {
  return { id: tokenPrincipalId(id), name, key, limits, credential: id, expiresAt: Math.floor(expiresAt / 1000) }
}

async function listTokens(store: TokenStore, principal: Principal): Promise<readonly TokenInfo[]> {
  if (principal.key === '') return []
  const prefix = isAdministrator(principal) ? '' : tokenIdPrefix(principal.key)
  const usedAt = new Map<string, number>()
  for await (const row of store.all(SYSTEM_CACHE, KIND.use, prefix)) usedAt.set(row.key, readUse(row))
  const records = new Map<string, TokenRecord>()
  for await (const row of store.all(SYSTEM_CACHE, KIND.token, prefix)) records.set(row.key, readToken(row))
  const found: TokenInfo[] = []
  for (const [id, record] of records) {
    if (!maySee(principal, id, record)) continue
    const end = endOf(record, (other) => records.get(other))
    // Revoking a token revokes what descends from it.
    const shown = end < record.expiresAt ? { ...record, revokedAt: end } : record
    found.push(tokenInfo(id, shown, usedAt.get(id)))
  }
  return found.toSorted((one, other) => other.createdAt - one.createdAt)
}

/** A key sees its own tokens, a token itself and what descends from it, an administrator all. */
function maySee(principal: Principal, id: string, { key, ancestors }: TokenRecord): boolean {
  const own = callingToken(principal)
  if (own === id) return true
  if (principal.key === '') return false
  if (isAdministrator(principal)) return true
  return own === undefined ? principal.key === key : ancestors.includes(own)
}

function isAdministrator({ limits }: Principal): boolean {
  return covers(limits, { ecosystem: '*', action: 'admin', pattern: '*' })
}
