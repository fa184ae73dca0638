import { createHash, randomBytes } from 'node:crypto'

import type { Grant, Principal } from '../src/access.ts'
import type { Depot } from '../src/depot.ts'
import { DepotError } from '../src/errors.ts'
import { SYSTEM_CACHE, type Commit } from '../src/kv-store.ts'
import { LIMITS } from '../src/limits.ts'
import { auditEntry } from '../src/protocol.ts'
import { redacted } from '../src/redact.ts'
import type { TokenCaller, TokenInfo, TokenRequest } from '../src/tokens.ts'
import { hashSecret, printApiToken, SECRET_BYTES, secretText } from './api-token.ts'
import { base62, bigEndian } from './base62.ts'
import { effectiveGrants } from './effective-grants.ts'
import { covers, printGrant } from './grants.ts'
import { endOf, isLive, KIND, readToken, tokenInfo, type TokenRecord } from './token-records.ts'

export type TokenStore = Pick<Depot, 'kv' | 'all' | 'retryConflicts'>

/** A token that is good as soon as `change` is committed. */
export interface MintedToken {
  readonly token: string
  readonly info: TokenInfo
  readonly change: Required<Pick<Commit, 'puts' | 'deletes' | 'audit'>>
}

/**
 * Make a token without keeping it: whoever asked commits it, together with what it stands for.
 *
 * @param now milliseconds since 1970
 * @throws DepotError as `Tokens.create`
 */
export async function mintToken(
  store: TokenStore,
  caller: TokenCaller,
  request: TokenRequest,
  now: number,
): Promise<MintedToken> {
  const { principal } = caller
  const creator = await creatorOf(store, principal, now)
  const name = checkedName(request.name)
  const seconds = checkedSeconds(request.seconds)
  const grants = grantsWithin(principal.limits, request)
  const deletes = await placeFor(store, principal.key, now)

  const id = tokenIdPrefix(principal.key) + base62(bigEndian(randomBytes(16)), RANDOM_LENGTH)
  const secret = secretText(randomBytes(SECRET_BYTES))
  const record: TokenRecord = {
    secretHash: hashSecret(secret).toString('hex'),
    name,
    limits: [[...grants], ...creator.limits],
    key: principal.key,
    ancestors: [...creator.ancestors],
    createdAt: now,
    expiresAt: Math.min(now + seconds * 1000, creator.expiresAt),
  }
  return {
    token: printApiToken({ id, secret }),
    info: tokenInfo(id, record),
    change: {
      puts: [{ kind: KIND.token, key: id, value: JSON.stringify(record), expected: 0 }],
      deletes,
      audit: [tokenAudit(caller, 'token:create', id, name)],
    },
  }
}

/** Tokens of one key begin alike, so that listing them reads no others. */
export function tokenIdPrefix(key: string): string {
  const hash = createHash('sha256').update(key).digest()
  return base62(bigEndian(hash), PREFIX_LENGTH)
}

/** The line of the audit log about a token: its id and name, never more. */
export function tokenAudit(caller: TokenCaller, action: string, id: string, name: string) {
  return auditEntry({ ...caller, cache: SYSTEM_CACHE }, { action, resource: `${id} ${name}`, digest: '' })
}

/** The id of the token that calls, or undefined for one that shows no token. */
export function callingToken({ id }: Principal): string | undefined {
  return id.startsWith(TOKEN) ? id.slice(TOKEN.length) : undefined
}

/** How a token is called in the audit log and everywhere else where there are others too: `token:<id>`. */
export function tokenPrincipalId(id: string): string {
  return TOKEN + id
}

const TOKEN = 'token:'
const PREFIX_LENGTH = 4
const RANDOM_LENGTH = 8
/** Letters, digits, marks and spaces: nothing that a terminal would obey or that writes backwards. */
const NAME = /^[\p{L}\p{M}\p{N}\p{P}\p{S} ]+$/u

type Creator = Pick<TokenRecord, 'ancestors' | 'expiresAt'> & { readonly limits: readonly Grant[][] }

async function creatorOf({ kv }: TokenStore, principal: Principal, now: number): Promise<Creator> {
  const id = callingToken(principal)
  if (principal.key === '') throw forbidden('nobody can be told who you are: make tokens with your SSH key')
  if (id === undefined) return { ancestors: [], limits: [], expiresAt: Infinity }
  const row = await kv.get(SYSTEM_CACHE.id, KIND.token, id)
  const record = row === undefined ? undefined : readToken(row)
  if (record === undefined || !isLive(record, now)) throw forbidden('your token is no longer good')
  if (record.ancestors.length + 2 > LIMITS.tokenDepthMax) {
    throw forbidden(`your token was made by a token that was made by a token: this one makes no more of them`)
  }
  return { ancestors: [...record.ancestors, id], limits: record.limits, expiresAt: record.expiresAt }
}

function checkedName(name: string): string {
  if (redacted(name) !== name)
    throw new DepotError('BAD_REQUEST', 'the name of a token is kept: this one looks like a secret')
  if (name.length <= LIMITS.tokenNameLengthMax && NAME.test(name) && name.trim() === name) return name
  const rule = `letters, digits, marks and single spaces within, at most ${LIMITS.tokenNameLengthMax} characters`
  throw new DepotError('BAD_REQUEST', `the name of a token has ${rule}`)
}

function checkedSeconds(seconds: number = LIMITS.tokenSecondsDefault): number {
  if (Number.isSafeInteger(seconds) && seconds >= 1 && seconds <= LIMITS.tokenSecondsMax) return seconds
  const days = LIMITS.tokenSecondsMax / 86_400
  throw new DepotError('BAD_REQUEST', `a token is good for whole seconds, at least one and at most ${days} days`)
}

function grantsWithin(limits: Principal['limits'], { grants, narrow = false }: TokenRequest): readonly Grant[] {
  if (grants.length === 0 || grants.length > LIMITS.grantsMax)
    throw new DepotError('BAD_REQUEST', `a token has at least one grant, and at most ${LIMITS.grantsMax}`)
  if (narrow) {
    const held = effectiveGrants([...limits, grants])
    if (held.length === 0) throw forbidden(`you have nothing of ${grants.map(printGrant).join(', ')} to give`)
    return held
  }
  const missing = grants.find((grant) => !covers(limits, grant))
  if (missing !== undefined)
    throw forbidden(`you cannot give ${printGrant(missing)}: your own rights do not include it`)
  return grants
}

/**
 * Room for one more token of this key: what has been dead for long is cleared away.
 *
 * @throws DepotError `CONFLICT` when the key has too many good ones; those that are made in the same moment are not counted.
 */
async function placeFor(store: TokenStore, key: string, now: number): Promise<MintedToken['change']['deletes']> {
  const records = new Map<string, TokenRecord>()
  for await (const row of store.all(SYSTEM_CACHE, KIND.token, tokenIdPrefix(key))) {
    const record = readToken(row)
    if (record.key === key) records.set(row.key, record)
  }
  // Whoever makes many tokens of one that leaked takes no places beyond its end.
  const ends = [...records].map(([id, record]) => ({ id, endedAt: endOf(record, (other) => records.get(other)) }))
  const dead = ends.filter(({ endedAt }) => endedAt <= now)
  const live = ends.length - dead.length
  if (live >= LIMITS.tokensPerKeyMax)
    throw new DepotError('CONFLICT', `this SSH key has ${live} good tokens: revoke some with 'depot token revoke'`)
  return dead
    .toSorted((one, other) => other.endedAt - one.endedAt)
    .filter(({ endedAt }, index) => index >= LIMITS.tokensDeadKeptMax || now - endedAt > LIMITS.tokenDeadKeptMs)
    .flatMap(({ id }) => [KIND.token, KIND.use].map((kind) => ({ kind, key: id })))
}

function forbidden(message: string): DepotError {
  return new DepotError('FORBIDDEN', message)
}
