import { z } from 'zod'

import { ANONYMOUS, CHALLENGE, type Principal } from '../../src/access.ts'
import type { Buckets } from '../../src/buckets.ts'
import { DepotError } from '../../src/errors.ts'
import { readJson } from '../../src/http/body.ts'
import { parseAs } from '../../src/http/parse-as.ts'
import { jsonResponse } from '../../src/http/respond.ts'
import { LIMITS } from '../../src/limits.ts'
import { route, type DepotRequest, type Route } from '../../src/protocol.ts'
import type { Tokens } from '../../src/tokens.ts'
import type { WebLogins } from '../../src/web-logins.ts'

/** What npm's own commands for accounts are answered from. */
export interface NpmAccounts {
  readonly tokens: Tokens
  readonly logins: WebLogins
  /** Bad logins by address: a wrong password is one. */
  readonly attempts: Buckets
  /** Whether everybody may do everything here: nobody logs in then. */
  readonly open: boolean
  /** The time that tokens end by, in milliseconds since 1970. */
  readonly now: () => number
}

/** `npm whoami`: who the caller is, and 401 for one that shows no good credentials, as the public registry has it. */
export function whoamiRoute(): Route {
  return route({
    method: 'GET',
    pattern: '/-/whoami',
    action: 'account',
    handle: ({ principal }) => accountResponse(200, { username: userName(known(principal)) }),
  })
}

/** `npm profile get`, `npm login --auth-type=legacy`, `npm logout`. */
export function accountRoutes(accounts: NpmAccounts): readonly Route[] {
  return [
    route({
      method: 'GET',
      pattern: '/-/npm/v1/user',
      action: 'account',
      handle: ({ principal }) => accountResponse(200, profileOf(known(principal))),
    }),
    // `npm owner add` asks who it adds. Names are only what a package says of itself, so any will do, and none is given away.
    route({
      method: 'GET',
      pattern: '/-/user/:user',
      params: { user: parseUser },
      action: 'account',
      handle: ({ params: { user } }) => accountResponse(200, { _id: USER_PREFIX + user, name: user, email: '' }),
    }),
    route({
      method: 'PUT',
      pattern: '/-/user/:user',
      params: { user: parseUser },
      action: 'public',
      handle: (request) => logIn(accounts, request),
    }),
    route({
      method: 'DELETE',
      pattern: '/-/user/token/:token',
      params: { token: (segment: string) => segment },
      action: 'public',
      handle: (request) => logOut(accounts, request),
    }),
  ]
}

/** @throws DepotError `UNAUTHENTICATED` for a caller that nobody knows */
export function known(principal: Principal): Principal {
  if (principal.id !== ANONYMOUS.id) return principal
  throw new DepotError('UNAUTHENTICATED', 'you are not logged in', { headers: CHALLENGE })
}

/** An answer about credentials, which nothing on the way may keep. */
export function accountResponse(
  status: number,
  value: unknown,
  headers: Readonly<Record<string, string>> = {},
): Response {
  return jsonResponse(status, value, { 'Cache-Control': 'no-store', ...headers })
}

/** @throws DepotError `FORBIDDEN` on a depot that gives no credentials */
export function requireLogins({ open }: NpmAccounts): void {
  if (open) throw new DepotError('FORBIDDEN', 'this depot asks nobody for credentials: npm works without a login')
}

const USER_PREFIX = 'org.couchdb.user:'
const USER_LENGTH_MAX = 200

function parseUser(segment: string): string | undefined {
  const name = segment.slice(USER_PREFIX.length)
  return segment.startsWith(USER_PREFIX) && name !== '' && name.length <= USER_LENGTH_MAX ? name : undefined
}

const loginBody = z.object({ password: z.string().max(1024) })

/** The password is a token: npm, pnpm and yarn then keep it as the one that they were given. */
async function logIn(accounts: NpmAccounts, request: DepotRequest<{ user: string }>): Promise<Response> {
  requireLogins(accounts)
  const { tokens, attempts } = accounts
  const body = await readJson(request, LIMITS.accountBodyBytesMax)
  const { password } = parseAs(loginBody, body, 'the login')
  if (!attempts.take(request.address))
    throw new DepotError('TOO_MANY_REQUESTS', 'too many bad logins from your address: wait a moment')
  if ((await tokens.verify(password)) === undefined) {
    const hint = "the password is a token that begins with dpt_: 'depot token create' makes one"
    throw new DepotError('UNAUTHENTICATED', hint, { headers: CHALLENGE })
  }
  attempts.giveBack(request.address)
  const { user } = request.params
  return accountResponse(201, { ok: `you are logged in as ${user}`, id: USER_PREFIX + user, token: password })
}

/**
 * Revoke the token that is shown, which is all the right that this needs. The answer is the same for one that is not good: npm forgets
 * a token only when this succeeds, and whoever shows none learns nothing.
 */
async function logOut({ tokens }: NpmAccounts, request: DepotRequest<{ token: string }>): Promise<Response> {
  const id = await tokens.verify(request.params.token)
  if (id !== undefined) {
    const { address, userAgent } = request
    const principal: Principal = { ...ANONYMOUS, id: `token:${id}`, credential: id }
    await tokens.revoke({ principal, address, userAgent }, id)
  }
  return accountResponse(200, { ok: true })
}

/** What people call a caller: the name of their key or token. */
export function userName({ id, name }: Principal): string {
  return name === '' ? id : name
}

/** What `npm profile get` prints; the depot knows nothing of most of it. */
function profileOf(principal: Principal): object {
  return {
    tfa: false,
    name: userName(principal),
    email: '',
    email_verified: false,
    fullname: '',
    homepage: '',
    freenode: '',
    twitter: '',
    github: '',
    created: '',
    updated: '',
    id: principal.id,
    key: principal.key,
  }
}
