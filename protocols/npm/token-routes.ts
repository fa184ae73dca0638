import { z } from 'zod'

import type { Grant } from '../../src/access.ts'
import { DepotError } from '../../src/errors.ts'
import { readJson } from '../../src/http/body.ts'
import { parseAs } from '../../src/http/parse-as.ts'
import { LIMITS } from '../../src/limits.ts'
import { route, type DepotRequest, type Route } from '../../src/protocol.ts'
import type { TokenInfo, TokenRequest } from '../../src/tokens.ts'
import { accountResponse, known, requireLogins, type NpmAccounts } from './account-routes.ts'
import { parsePackageName } from './package-name.ts'

/** `npm token list|create|revoke`. */
export function tokenRoutes(accounts: NpmAccounts): readonly Route[] {
  const { tokens, now } = accounts
  return [
    route({
      method: 'GET',
      pattern: '/-/npm/v1/tokens',
      action: 'account',
      async handle({ principal }) {
        const live = (await tokens.list(known(principal))).filter(
          ({ revokedAt, expiresAt }) => revokedAt === undefined && now() < expiresAt,
        )
        return accountResponse(200, { objects: live.map((info) => shown(info)), urls: {} })
      },
    }),
    route({
      method: 'POST',
      pattern: '/-/npm/v1/tokens',
      action: 'account',
      async handle(request) {
        requireLogins(accounts)
        const { token, info } = await tokens.create(request, await readRequest(request))
        return accountResponse(201, { ...shown(info), token })
      },
    }),
    route({
      method: 'DELETE',
      pattern: '/-/npm/v1/tokens/token/:key',
      params: { key: parseKey },
      action: 'account',
      async handle(request) {
        await tokens.revoke(request, request.params.key)
        return new Response(null, { status: 204, headers: { 'Cache-Control': 'no-store' } })
      },
    }),
  ]
}

/** npm names a token to be revoked by its id, or shows the whole token. */
const KEY = /^(?:(?<id>[0-9A-Za-z]{12})|dpt_(?<shown>[0-9A-Za-z]{12})_[0-9A-Za-z_]{1,100})$/

function parseKey(segment: string): string | undefined {
  const groups = KEY.exec(segment)?.groups
  return groups?.['id'] ?? groups?.['shown']
}

const list = z.array(z.string()).max(LIMITS.grantsMax).nullish()

/** What npm 11 sends; npm 10 and older say `readonly` and nothing of packages. The password that it asks for is not looked at. */
const tokenBody = z.object({
  name: z.string().nullish(),
  readonly: z.boolean().nullish(),
  cidr_whitelist: list,
  packages: list,
  packages_all: z.boolean().nullish(),
  scopes: list,
  orgs: list,
  packages_and_scopes_permission: z.enum(['no-access', 'read-only', 'read-write']).nullish(),
  /** Days. */
  expires: z.number().nullish(),
})

async function readRequest(request: DepotRequest): Promise<TokenRequest> {
  const body = parseAs(tokenBody, await readJson(request, LIMITS.accountBodyBytesMax), 'the token that you ask for')
  // A bound that is taken and not kept would be worse than none.
  if (present(body.cidr_whitelist)) throw refused('tokens of this depot cannot be bound to addresses')
  if (present(body.orgs)) throw refused('this depot knows no organisations: name packages or scopes')
  if (body.packages_and_scopes_permission === 'no-access') throw refused('a token that may do nothing is of no use')
  const readOnly = body.readonly === true || body.packages_and_scopes_permission === 'read-only'
  const patterns = [...(body.packages ?? []).map(packagePattern), ...(body.scopes ?? []).map(scopePattern)]
  const named = patterns.length > 0 && body.packages_all !== true
  const grants = (named ? patterns : ['*']).map((pattern): Grant => {
    return { ecosystem: 'npm', action: readOnly ? 'read' : 'write', pattern }
  })
  return {
    name: body.name ?? 'npm token',
    grants,
    narrow: !named,
    ...(typeof body.expires === 'number' ? { seconds: body.expires * DAY_SECONDS } : {}),
  }
}

const DAY_SECONDS = 24 * 60 * 60
/** Characters of names that a grant's pattern can hold. */
const PATTERN = /^[A-Za-z0-9@/._~*-]+$/
const SCOPE = /^@[A-Za-z0-9~-][A-Za-z0-9._~-]{0,200}$/

function packagePattern(name: string): string {
  if (!PATTERN.test(name) || parsePackageName(name) === undefined) throw refused('not a package name')
  return name
}

function scopePattern(scope: string): string {
  if (!SCOPE.test(scope)) throw refused('a scope is written @name')
  return `${scope}/*`
}

function present(value: readonly unknown[] | null | undefined): boolean {
  return value !== null && value !== undefined && value.length > 0
}

function refused(message: string): DepotError {
  return new DepotError('BAD_REQUEST', message)
}

/** A token as npm lists it; `token` is how it begins. */
function shown({ id, name, grants, createdAt, expiresAt, lastUsedAt }: TokenInfo): object {
  return {
    key: id,
    token: `dpt_${id}`,
    name,
    readonly: grants.every(({ action }) => action === 'read'),
    cidr_whitelist: null,
    created: new Date(createdAt).toISOString(),
    updated: new Date(createdAt).toISOString(),
    expires: new Date(expiresAt).toISOString(),
    ...(lastUsedAt === undefined ? {} : { last_used: new Date(lastUsedAt).toISOString() }),
  }
}
