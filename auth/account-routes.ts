import { z } from 'zod'

import { DepotError } from '../src/errors.ts'
import { readJson } from '../src/http/body.ts'
import { parseAs } from '../src/http/parse-as.ts'
import { jsonResponse } from '../src/http/respond.ts'
import { LIMITS } from '../src/limits.ts'
import { route, type DepotRequest, type Protocol, type Route } from '../src/protocol.ts'
import type { TokenInfo, TokenRequest, Tokens } from '../src/tokens.ts'
import type { WebLogins } from '../src/web-logins.ts'
import { effectiveGrants } from './effective-grants.ts'
import { parseGrant, printGrant } from './grants.ts'
import { parseCode } from './login-code.ts'

/** What the routes about one's own credentials are answered from. */
export interface AccountOptions {
  readonly tokens: Tokens
  readonly logins: WebLogins
  /** The names that a grant may have in its first place. */
  readonly ecosystems: readonly string[]
  /** Whether everybody may do everything here: nobody is asked for credentials then, and none are made. */
  readonly open: boolean
  /** Of this program. */
  readonly version: string
}

/** The depot's own API about the caller and the caller's credentials, in JSON. Served at the root. */
export function accountProtocol(options: AccountOptions): Protocol {
  return {
    name: 'depot',
    mount: '/',
    root: true,
    routes: () => [sessionRoute(options), ...tokenRoutes(options), ...approvalRoutes(options)],
    errorBody: ({ message }) => ({ contentType: 'application/json', body: JSON.stringify({ error: message }) }),
  }
}

/** `GET /-/session`: who the depot takes the caller for, what they may do, and which version it is, which an auth file keeps from strangers. */
function sessionRoute({ open, version }: AccountOptions): Route {
  return route({
    method: 'GET',
    pattern: '/-/session',
    action: 'account',
    handle({ principal: { id, name, key, limits, expiresAt } }) {
      const grants = open ? ['*:*:*'] : effectiveGrants(limits).map(printGrant)
      const end = expiresAt === undefined ? {} : { expiresAt: expiresAt * 1000 }
      return answer(200, { principal: { id, name, key }, grants, open, version, ...end })
    },
  })
}

function tokenRoutes({ tokens, ecosystems, open }: AccountOptions): readonly Route[] {
  return [
    route({
      method: 'GET',
      pattern: '/-/tokens',
      action: 'account',
      handle: async ({ principal }) => answer(200, { tokens: (await tokens.list(principal)).map(written) }),
    }),
    route({
      method: 'POST',
      pattern: '/-/tokens',
      action: 'account',
      async handle(request) {
        if (open) throw new DepotError('FORBIDDEN', OPEN)
        const { token, info } = await tokens.create(request, await readTokenRequest(request, ecosystems))
        return answer(201, { token, info: written(info) })
      },
    }),
    route({
      method: 'DELETE',
      pattern: '/-/tokens/:id',
      params: { id: parseTokenId },
      action: 'account',
      async handle(request) {
        await tokens.revoke(request, request.params.id)
        return new Response(null, { status: 204, headers: NO_STORE })
      },
    }),
  ]
}

/** `/-/logins/:code`: GET shows which client waits with this code, POST lets it have what the caller has of npm. */
function approvalRoutes({ logins, open }: AccountOptions): readonly Route[] {
  const common = { pattern: '/-/logins/:code', params: { code: parseCode }, action: 'account' } as const
  return [
    route({
      ...common,
      method: 'GET',
      async handle(request) {
        if (open) throw new DepotError('FORBIDDEN', OPEN)
        return answer(200, await logins.look(request, request.params.code))
      },
    }),
    route({
      ...common,
      method: 'POST',
      async handle(request) {
        if (open) throw new DepotError('FORBIDDEN', OPEN)
        const { client, grants } = await logins.approve(request, request.params.code)
        return answer(200, { client, grants: grants.map(printGrant) })
      },
    }),
  ]
}

const OPEN = 'this depot asks nobody for credentials, so it gives none: its operator can start it with --auth-file'
const NO_STORE = { 'Cache-Control': 'no-store' } as const
const TOKEN_ID = /^[0-9A-Za-z]{12}$/

const tokenBody = z.strictObject({
  name: z.string(),
  grants: z.array(z.string()).max(LIMITS.grantsMax),
  seconds: z.number().optional(),
})

async function readTokenRequest(request: DepotRequest, ecosystems: readonly string[]): Promise<TokenRequest> {
  const body = parseAs(tokenBody, await readJson(request, LIMITS.accountBodyBytesMax), 'the token that you ask for')
  return {
    name: body.name,
    grants: body.grants.map((text) => parseGrant(text, ecosystems)),
    ...(body.seconds === undefined ? {} : { seconds: body.seconds }),
  }
}

function parseTokenId(segment: string): string | undefined {
  return TOKEN_ID.test(segment) ? segment : undefined
}

function written(info: TokenInfo): object {
  return { ...info, grants: info.grants.map(printGrant) }
}

/** What concerns credentials is never kept on the way. */
function answer(status: number, value: unknown): Response {
  return jsonResponse(status, value, NO_STORE)
}
