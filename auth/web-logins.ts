import { randomBytes, randomInt, timingSafeEqual } from 'node:crypto'

import type { Grant, Principal } from '../src/access.ts'
import type { Buckets } from '../src/buckets.ts'
import { DepotError, hasCode } from '../src/errors.ts'
import { SYSTEM_CACHE, type RecordDelete } from '../src/kv-store.ts'
import { LIMITS } from '../src/limits.ts'
import { networkOf } from '../src/network.ts'
import { auditEntry } from '../src/protocol.ts'
import type { TokenCaller } from '../src/tokens.ts'
import type { WebLogins } from '../src/web-logins.ts'
import { hashSecret, SECRET_BYTES, secretText } from './api-token.ts'
import { effectiveGrants } from './effective-grants.ts'
import { codeOf, LETTERS_COUNT, parseCode, parseLoginSecret, printLoginSecret, shownCode } from './login-code.ts'
import { callingToken, mintToken, type TokenStore } from './mint-token.ts'
import { KIND, readWebLogin, type WebLoginRecord } from './token-records.ts'

export interface WebLoginsOptions {
  readonly store: TokenStore
  /** Bad logins by address: a wrong code is one, and so is one that was only started. */
  readonly attempts: Buckets
  /** Milliseconds since 1970. */
  readonly now?: () => number
}

/** Logins with a code as records of `SYSTEM_CACHE`. Nothing in them is of use to whoever reads the database. */
export function webLogins({ store, attempts, now = Date.now }: WebLoginsOptions): WebLogins {
  const { kv } = store

  async function find(code: string): Promise<{ login: WebLoginRecord; version: number } | undefined> {
    const row = await kv.get(SYSTEM_CACHE.id, KIND.webLogin, code)
    if (row === undefined) return undefined
    const login = readWebLogin(row)
    return now() < login.expiresAt ? { login, version: row.version } : undefined
  }

  /** The login that this code is shown for. Whoever guesses is slowed down. */
  async function findWaiting({ address }: TokenCaller, typed: string) {
    if (!attempts.take(address)) throw tooMany('too many wrong codes from your address: wait a moment')
    const code = parseCode(typed)
    const found = code === undefined ? undefined : await find(code)
    if (code === undefined || found === undefined || found.login.approval !== undefined)
      throw new DepotError('NOT_FOUND', 'no login waits with this code: they wait ten minutes, and are approved once')
    attempts.giveBack(address)
    return { code, ...found }
  }

  return {
    async start({ address, userAgent }) {
      // Each start looks at all that wait.
      if (!attempts.take(address)) throw tooMany('too many logins from your address: wait a moment')
      const deletes = await placeFor(store, address, now())
      const code = codeOf(() => randomInt(LETTERS_COUNT))
      const secret = secretText(randomBytes(SECRET_BYTES))
      const login: WebLoginRecord = {
        secretHash: hashSecret(secret).toString('hex'),
        client: readableName(userAgent),
        address,
        expiresAt: now() + LIMITS.webLoginMs,
      }
      const put = { kind: KIND.webLogin, key: code, value: JSON.stringify(login), expected: 0 }
      await kv.commit({ cache: SYSTEM_CACHE.id, puts: [put], deletes })
      return { code: shownCode(code), secret: printLoginSecret({ code, secret }) }
    },

    async look(caller, typed) {
      const { login } = await findWaiting(caller, typed)
      return { client: login.client, address: login.address }
    },

    async approve(caller, typed) {
      const { code, login: waiting, version } = await findWaiting(caller, typed)
      const grants = npmGrantsOf(caller.principal)
      // Tried here, so that whoever may make no tokens learns it, and not the client that waits.
      await mintToken(store, caller, { name: waiting.client, grants }, now())
      const { id, name, key } = caller.principal
      const login: WebLoginRecord = { ...waiting, approval: { id, name, key, grants } }
      const put = { kind: KIND.webLogin, key: code, value: JSON.stringify(login), expected: version }
      const resource = `${shownCode(code)} ${login.client}`
      const audit = auditEntry({ ...caller, cache: SYSTEM_CACHE }, { action: 'login:approve', resource, digest: '' })
      await kv.commit({ cache: SYSTEM_CACHE.id, puts: [put], audit: [audit] })
      return { client: login.client, grants }
    },

    async collect(origin, text) {
      const shown = parseLoginSecret(text)
      const found = shown === undefined ? undefined : await find(shown.code)
      if (shown === undefined || found === undefined || !hasSecret(found.login, shown.secret)) throw gone()
      const { login, version } = found
      if (login.approval === undefined) return undefined
      const { token, change } = await mintToken(
        store,
        { ...origin, principal: approverOf(login.approval) },
        { name: login.client, grants: login.approval.grants },
        now(),
      )
      const claim: RecordDelete = { kind: KIND.webLogin, key: shown.code, expected: version }
      await kv.commit({ cache: SYSTEM_CACHE.id, ...change, deletes: [...change.deletes, claim] }).catch(notTwice)
      return token
    },
  }
}

type Approval = NonNullable<WebLoginRecord['approval']>

/** What a login of npm gives: reading and publishing, as far as its approver may. Never deleting. */
const NPM_GRANTS = [{ ecosystem: 'npm', action: 'write', pattern: '*' }] as const

function npmGrantsOf({ key, limits }: Principal): Grant[] {
  const grants = key === '' ? [] : effectiveGrants([...limits, NPM_GRANTS])
  if (grants.length === 0) throw new DepotError('FORBIDDEN', 'you have no rights in npm that you could give')
  return [...grants]
}

function approverOf({ id, name, key, grants }: Approval): Principal {
  const approver = { id, name, key, limits: [grants], credential: '' }
  return { ...approver, credential: callingToken(approver) ?? '' }
}

function hasSecret({ secretHash }: WebLoginRecord, secret: string): boolean {
  return timingSafeEqual(hashSecret(secret), Buffer.from(secretHash, 'hex'))
}

/** @returns the ones that nobody waits for any more */
async function placeFor(store: TokenStore, address: string, now: number): Promise<RecordDelete[]> {
  const expired: RecordDelete[] = []
  let waiting = 0
  let here = 0
  for await (const row of store.all(SYSTEM_CACHE, KIND.webLogin)) {
    const login = readWebLogin(row)
    if (now >= login.expiresAt) expired.push({ kind: KIND.webLogin, key: row.key })
    else {
      waiting++
      if (networkOf(login.address) === networkOf(address)) here++
    }
  }
  if (waiting >= LIMITS.webLoginsMax || here >= LIMITS.webLoginsPerAddressMax)
    throw tooMany('too many logins wait for their approval: try again in some minutes')
  return expired
}

/** What a client calls itself, as the name of its token: `npm/11.19.1 node/v24.21.0 linux x64 workspaces/false`. */
function readableName(userAgent: string): string {
  const name = userAgent.replaceAll(/[^ -~]+/g, ' ').replaceAll(/ +/g, ' ')
  return name.trim().slice(0, LIMITS.tokenNameLengthMax).trim() || 'npm login'
}

function gone(): DepotError {
  return new DepotError('NOT_FOUND', 'no such login waits here, or its time is over: log in again')
}

/** Somebody else collected it first. */
function notTwice(error: unknown): never {
  throw hasCode(error, 'WRITE_CONFLICT') ? gone() : error
}

function tooMany(message: string): DepotError {
  return new DepotError('TOO_MANY_REQUESTS', message)
}
