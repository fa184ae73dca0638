import { DepotError } from '../../src/errors.ts'
import { readText } from '../../src/http/body.ts'
import { textResponse } from '../../src/http/respond.ts'
import { LIMITS } from '../../src/limits.ts'
import { route, type DepotRequest, type Route } from '../../src/protocol.ts'
import { accountResponse, requireLogins, type NpmAccounts } from './account-routes.ts'

/**
 * `npm login` as npm 9 and newer do it: the client shows one URL to a person and polls another until its token is there. On a depot the
 * person reads a code from the first and approves it with `depot login`.
 */
export function webLoginRoutes(accounts: NpmAccounts): readonly Route[] {
  return [
    route({
      method: 'POST',
      pattern: '/-/v1/login',
      action: 'public',
      async handle(request) {
        requireLogins(accounts)
        // Nothing that npm says here changes anything.
        await readText(request, LIMITS.accountBodyBytesMax)
        const base = request.baseUrl()
        const { code, secret } = await accounts.logins.start(request)
        return accountResponse(200, { loginUrl: `${base}/-/v1/login/${code}`, doneUrl: `${base}/-/v1/done/${secret}` })
      },
    }),
    route({
      method: 'GET',
      pattern: '/-/v1/login/:code',
      params: { code: matching(CODE) },
      action: 'public',
      handle: loginPage,
    }),
    route({
      method: 'GET',
      pattern: '/-/v1/done/:secret',
      params: { secret: matching(SECRET) },
      action: 'public',
      handle: (request) => poll(accounts, request),
    }),
  ]
}

const CODE = /^[A-Z]{4}-[A-Z]{4}$/
const SECRET = /^dpt_\w{1,100}$/

function matching(form: RegExp): (segment: string) => string | undefined {
  return (segment) => (form.test(segment) ? segment : undefined)
}

/** The same for every code: whether one is good is not told here. */
function loginPage(request: DepotRequest<{ code: string }>): Response {
  const { code } = request.params
  const depotUrl = request.baseUrl().slice(0, -request.mount.length || undefined)
  const text = `A package client asks to log in to this depot with the code ${code}.

If you started it yourself, and it shows the same code, run this where your SSH key is:

  depot login ${depotUrl} --approve ${code}

The client can then read and publish npm packages as far as you may. The code is good for ten minutes.
`
  return textResponse(200, text, PAGE_HEADERS)
}

const PAGE_HEADERS = {
  'Cache-Control': 'no-store',
  'Content-Security-Policy':
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; base-uri 'none'; frame-ancestors 'none'; form-action 'self'",
  'Referrer-Policy': 'no-referrer',
  'X-Content-Type-Options': 'nosniff',
} as const

/** 202 with Retry-After while nobody approved it: without that header npm asks again at once, for ever. */
async function poll({ logins }: NpmAccounts, request: DepotRequest<{ secret: string }>): Promise<Response> {
  // A HEAD would collect a token that nobody sees.
  if (request.method !== 'GET')
    throw new DepotError('METHOD_NOT_ALLOWED', 'the token is in the body of a GET', { headers: { Allow: 'GET' } })
  const token = await logins.collect(request, request.params.secret)
  return token === undefined
    ? accountResponse(202, {}, { 'Retry-After': String(LIMITS.webLoginPollSeconds) })
    : accountResponse(200, { token })
}
