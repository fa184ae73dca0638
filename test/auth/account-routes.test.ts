import { afterAll, beforeAll, describe, expect, it } from 'vitest'

import { depotVersion } from '../../cmd/version.ts'
import { startAccountWorld, type AccountWorld } from '../helpers/account-world.ts'
import { lineKey } from '../helpers/auth-lines.ts'
import { json } from '../helpers/npm-world.ts'
import { startWorld } from '../helpers/world.ts'

let world: AccountWorld
beforeAll(async () => {
  world = await startAccountWorld()
})
afterAll(() => world[Symbol.asyncDispose]())

describe('GET /-/session', () => {
  it('says who calls, what is left of their rights, and until when', async () => {
    const { token, info } = await world.token('npm:write:*,python:read:*', 2)
    const answer = await world.ask('GET', '/-/session', token)
    expect(answer.headers.get('cache-control')).toBe('no-store')
    expect(await json(answer)).toEqual({
      principal: { id: `token:${info.id}`, name: 'token of 2', key: lineKey(2).fingerprint },
      grants: ['npm:write:@acme/*'],
      open: false,
      version: depotVersion(),
      expiresAt: Math.floor(info.expiresAt / 1000) * 1000,
    })
  })

  it.each([undefined, 'dpt_', 'anything'])('answers 401 to %s', async (token) => {
    const answer = await world.ask('GET', '/-/session', token)
    expect(answer.status).toBe(401)
    expect(answer.headers.get('www-authenticate')).toMatch(/^Basic .*Bearer/)
    expect(answer.headers.get('cache-control')).toBe('no-store')
    expect(await json(answer)).toEqual({ error: expect.stringContaining('good credentials') as unknown })
  })
})

describe('a refusal of a path at the root', () => {
  it('has the form of the route that was asked for, whether the name is missing or hidden', async () => {
    const { token } = await world.token('npm:read:@acme/*')
    const answers = await Promise.all(
      ['/@acme/missing', '/hidden', '/npm/hidden'].map((path) => world.ask('GET', path, token)),
    )
    expect(answers.map(({ status, headers }) => [status, headers.get('content-type')])).toEqual(
      answers.map(() => [404, 'application/json']),
    )
    const bodies = await Promise.all(answers.map((answer) => answer.text()))
    expect(new Set(bodies).size).toBe(1)
    const narinfo = await world.ask('GET', `/${'0'.repeat(32)}.narinfo`, token)
    expect([narinfo.status, narinfo.headers.get('content-type')]).toEqual([404, 'text/plain; charset=utf-8'])
  })
})

describe('/-/tokens', () => {
  it('makes, lists and revokes a token', async () => {
    const { token } = await world.token('npm:*:*')
    const made = await world.ask('POST', '/-/tokens', token, { name: 'ci', grants: ['npm:read:*'], seconds: 600 })
    expect(made.status).toBe(201)
    const { token: child, info } = (await json(made)) as { token: string; info: Record<string, unknown> }
    const { createdAt, expiresAt } = info as { createdAt: number; expiresAt: number }
    expect(info).toEqual({
      id: child.split('_')[1],
      name: 'ci',
      grants: ['npm:read:*'],
      key: lineKey(1).fingerprint,
      createdAt,
      expiresAt: createdAt + 600_000,
    })
    expect(expiresAt).toBe(createdAt + 600_000)
    const listed = await json(await world.ask('GET', '/-/tokens', token))
    expect(listed).toMatchObject({ tokens: expect.arrayContaining([expect.objectContaining(info)]) as unknown })
    expect(JSON.stringify(listed)).not.toContain(child)

    expect((await world.ask('GET', '/-/session', child)).status).toBe(200)
    const gone = await world.ask('DELETE', `/-/tokens/${child.split('_')[1]}`, token)
    expect([gone.status, await gone.text()]).toEqual([204, ''])
    expect((await world.ask('GET', '/-/session', child)).status).toBe(401)
  })

  it('lets nobody have more than they have', async () => {
    const { token } = await world.token('npm:*:*', 2)
    const wish = { name: 'more', grants: ['npm:write:*'] }
    const answer = await world.ask('POST', '/-/tokens', token, wish)
    expect(answer.status).toBe(403)
    expect(await json(answer)).toEqual({ error: 'you cannot give npm:write:*: your own rights do not include it' })
    expect((await world.ask('POST', '/-/tokens', undefined, wish)).status).toBe(401)
  })

  it.each([
    ['no JSON', '{', 400],
    ['an array', [], 400],
    ['no name', { grants: ['npm:read:*'] }, 400],
    ['no grants', { name: 'a', grants: [] }, 400],
    ['an unknown ecosystem', { name: 'a', grants: ['pypi:read:*'] }, 400],
    ['a grant that is none', { name: 'a', grants: ['read'] }, 400],
    ['an unknown field', { name: 'a', grants: ['npm:read:*'], admin: true }, 400],
    ['time as text', { name: 'a', grants: ['npm:read:*'], seconds: '60' }, 400],
    ['time without end', { name: 'a', grants: ['npm:read:*'], seconds: 1e12 }, 400],
    ['a line break in the name', { name: 'a\nb', grants: ['npm:read:*'] }, 400],
    ['__proto__', '{"name":"a","grants":["npm:read:*"],"__proto__":{}}', 400],
    ['a hundred thousand characters', { name: 'a'.repeat(100_000), grants: ['npm:read:*'] }, 413],
  ])('refuses a wish with %s', async (_what, body, status) => {
    const { token } = await world.token('npm:*:*')
    const answer = await world.ask('POST', '/-/tokens', token, body)
    expect(answer.status).toBe(status)
    expect(await json(answer)).toEqual({ error: expect.any(String) as unknown })
  })

  it('answers alike for a token of somebody else, one that is not there and what is none', async () => {
    const { token } = await world.token('npm:*:*', 2)
    const { info } = await world.token('npm:*:*')
    const answers = await Promise.all(
      [info.id, 'a'.repeat(12)].map(async (id) => {
        const answer = await world.ask('DELETE', `/-/tokens/${id}`, token)
        return [answer.status, await answer.text()]
      }),
    )
    expect(answers[0]).toEqual([404, '{"error":"there is no such token"}'])
    expect(answers[1]).toEqual(answers[0])
    expect((await world.ask('DELETE', '/-/tokens/..%2f..', token)).status).toBe(404)
  })
})

describe('/-/logins/:code', () => {
  it('shows what waits, approves it, and tells what it was', async () => {
    const started = await world.ask('POST', '/npm/-/v1/login', undefined, {})
    const { loginUrl } = (await json(started)) as { loginUrl: string }
    const code = loginUrl.split('/').at(-1)
    const { token } = await world.token('npm:*:*', 2)
    const waiting = await world.ask('GET', `/-/logins/${code}`, token)
    expect(await json(waiting)).toEqual({ client: expect.any(String) as unknown, address: '127.0.0.1' })
    expect((await world.ask('GET', `/-/logins/${code}`)).status).toBe(401)
    const answer = await world.ask('POST', `/-/logins/${code?.toLowerCase()}`, token)
    expect(answer.status).toBe(200)
    expect(await json(answer)).toEqual({ client: expect.any(String) as unknown, grants: ['npm:write:@acme/*'] })
    expect((await world.ask('POST', `/-/logins/${code}`, token)).status).toBe(404)
    expect((await world.ask('POST', `/-/logins/${code}`)).status).toBe(401)
  })
})

describe('a depot without an auth file', () => {
  it('says that it is open, and makes no tokens', async () => {
    await using open = await startWorld()
    expect(await json(await open.fetch('/-/session'))).toEqual({
      principal: { id: 'anonymous', name: 'anonymous', key: '' },
      grants: ['*:*:*'],
      open: true,
      version: depotVersion(),
    })
    expect(await json(await open.fetch('/-/tokens'))).toEqual({ tokens: [] })
    for (const path of ['/-/tokens', '/-/logins/BBBB-BBBB']) {
      const answer = await open.fetch(path, { method: 'POST', body: '{}' })
      expect(answer.status).toBe(403)
      expect(await json(answer)).toEqual({ error: expect.stringContaining('--auth-file') as unknown })
    }
    expect(open.bugs).toEqual([])
  })
})

it('ran into no bug until here', () => {
  expect(world.bugs).toEqual([])
})
