import { describe, expect, it } from 'vitest'

import { ANONYMOUS, type Access, type Credentials, type Decision, type Resource } from '../../src/access.ts'
import { createGate, type RawRequest } from '../../src/gate.ts'
import { createRouter } from '../../src/http/router.ts'
import { guardSite } from '../../src/http/site.ts'
import { MAIN_CACHE } from '../../src/kv-store.ts'
import { route, type Protocol } from '../../src/protocol.ts'

const name = (segment: string) => (/^[a-z/@]+$/.test(segment) ? segment : undefined)
const handle = () => new Response()
const routes = [
  route({ method: 'GET', pattern: '/open', action: 'public', handle }),
  route({ method: 'GET', pattern: '/mine', action: 'account', handle }),
  route({
    method: 'GET',
    pattern: '/of/:name',
    params: { name },
    action: 'read',
    resource: (params) => params.name,
    handle,
  }),
  route({
    method: 'PUT',
    pattern: '/of/:name',
    params: { name },
    action: 'write',
    resource: (params) => params.name,
    handle,
  }),
]
const protocol: Protocol = { name: 'toy', mount: '/toy', routes: () => routes }

function gateThat(decision: Decision) {
  const asked: Resource[] = []
  const policies: string[] = []
  const shown: Credentials[] = []
  const denied: string[] = []
  const access: Access = {
    authenticate(credentials) {
      shown.push(credentials)
      return credentials.authorization === 'later' ? Promise.resolve(ANONYMOUS) : ANONYMOUS
    },
    authorize(_principal, policy, resource) {
      asked.push(resource)
      policies.push(policy)
      return decision
    },
  }
  const router = createRouter([{ path: '/toy', protocol, cache: MAIN_CACHE, routes }])
  const site = guardSite({ loopback: true, allowedHosts: [] })
  const gate = createGate({
    site,
    router,
    access,
    denied: (_who, resource, { target }) => denied.push(`${String(resource.name)} ${target}`),
  })
  const request = (method: string, target: string, headers: Readonly<Record<string, string>> = {}): RawRequest => {
    const all = { host: 'localhost', ...headers } as Record<string, string>
    return { method, target, address: '192.0.2.1', header: (header) => all[header] }
  }
  return {
    asked,
    policies,
    shown,
    denied,
    admit: async (...line: Parameters<typeof request>) => gate.admit(request(...line)),
  }
}

describe('the gate', () => {
  it('decides on the value that the handler gets, once for each request', async () => {
    const { asked, shown, admit } = gateThat('allow')
    const { match, target } = await admit('PUT', '/toy/of/%40a%2Fb?c', { authorization: 'later' })
    expect(match.params).toEqual({ name: '@a/b' })
    expect(asked).toEqual([{ cache: 'main', ecosystem: 'toy', name: '@a/b' }])
    expect(target.query).toBe('c')
    expect(shown).toEqual([
      {
        authorization: 'later',
        method: 'PUT',
        path: '/toy/of/%40a%2Fb',
        host: 'localhost',
        policy: 'write',
        address: '192.0.2.1',
      },
    ])
  })

  it.each([
    ['unauthenticated', 'UNAUTHENTICATED', 401],
    ['forbidden', 'FORBIDDEN', 403],
    ['hidden', 'NOT_FOUND', 404],
  ] as const)('says of what is %s no more than %s', async (decision, code, status) => {
    const { admit, denied } = gateThat(decision)
    for (const authorization of ['now', 'later'])
      await expect(admit('PUT', '/toy/of/a', { authorization })).rejects.toMatchObject({ code, status })
    expect(denied).toEqual(decision === 'forbidden' ? ['a /toy/of/a', 'a /toy/of/a'] : [])
  })

  it('shows the forms of credentials with a 401, Basic first, and the same words for everybody', async () => {
    const { admit } = gateThat('unauthenticated')
    const refusals = await Promise.all(
      ['/toy/of/a', '/toy/of/b', '/toy/mine'].map((path) => admit('GET', path).catch((error: unknown) => error)),
    )
    for (const refusal of refusals)
      expect(refusal).toMatchObject({
        headers: { 'WWW-Authenticate': 'Basic realm="depot", Bearer error="invalid_token"' },
      })
    expect(new Set(refusals.map((refusal) => (refusal as Error).message)).size).toBe(1)
  })

  it('lets everybody use what is public, and asks nobody', async () => {
    const { admit, asked } = gateThat('unauthenticated')
    await expect(admit('GET', '/toy/open')).resolves.toMatchObject({ principal: ANONYMOUS })
    expect(asked).toEqual([])
  })

  it('asks again about a name that only the body told', async () => {
    const { admit, asked } = gateThat('allow')
    const { authorize } = await admit('PUT', '/toy/of/a')
    authorize('b')
    expect(asked.map((resource) => resource.name)).toEqual(['a', 'b'])
  })

  it('asks about another action than the route has when the body wants more', async () => {
    const { admit, asked, policies } = gateThat('allow')
    const { permit } = await admit('PUT', '/toy/of/a')
    permit('delete', 'a')
    expect(policies.slice(-1)).toEqual(['delete'])
    expect(asked.at(-1)).toEqual({ cache: 'main', ecosystem: 'toy', name: 'a' })
    const refusing = gateThat('forbidden')
    const open = await refusing.admit('GET', '/toy/open')
    expect(() => open.permit('delete', 'b')).toThrow(/do not permit/)
    expect(refusing.denied).toEqual(['b /toy/open'])
  })

  it.each(['allow', 'unauthenticated', 'forbidden', 'hidden'] as const)(
    'says of a name whose decision is %s whether it may be told of, and logs no refusal',
    async (decision) => {
      const { admit, asked, denied } = gateThat(decision)
      const { may } = await admit('GET', '/toy/open')
      expect(may('b')).toBe(decision === 'allow')
      expect([asked.at(-1)?.name, denied]).toEqual(['b', []])
    },
  )

  it('looks at no credentials before it knows that the request is for this depot and has a route', async () => {
    const { admit, shown } = gateThat('allow')
    for (const [method, target, headers] of [
      ['GET', '/toy/of/a', { host: 'evil.example' }],
      ['PUT', '/toy/of/a', { origin: 'http://evil.example' }],
      ['GET', '/toy/of/../open', {}],
      ['GET', '/toy/of/%00', {}],
      ['GET', '/toy/of/A', {}],
      ['DELETE', '/toy/of/a', {}],
      ['PATCH', '/toy/of/a', {}],
      ['GET', '/other', {}],
      ['GET', 'http://localhost/toy/open', {}],
    ] as const)
      await expect(admit(method, target, headers)).rejects.toMatchObject({ status: expect.any(Number) })
    expect(shown).toEqual([])
  })
})
