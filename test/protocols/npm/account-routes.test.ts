import { afterAll, beforeAll, describe, expect, it } from 'vitest'

import { LIMITS } from '../../../src/limits.ts'
import { startAccountWorld, type AccountWorld } from '../../helpers/account-world.ts'
import { lineKey } from '../../helpers/auth-lines.ts'
import { json } from '../../helpers/npm-world.ts'
import { startWorld } from '../../helpers/world.ts'

let world: AccountWorld
beforeAll(async () => {
  world = await startAccountWorld()
})
afterAll(() => world[Symbol.asyncDispose]())

describe.each(['/npm', ''])('npm accounts below %j', (mount) => {
  it('tell who calls, and answer 401 to those who are nobody', async () => {
    const { token, info } = await world.token('npm:read:*')
    const whoami = await world.ask('GET', `${mount}/-/whoami`, token)
    expect(whoami.headers.get('cache-control')).toBe('no-store')
    expect(await json(whoami)).toEqual({ username: 'token of 1' })
    expect(await json(await world.ask('GET', `${mount}/-/npm/v1/user`, token))).toMatchObject({
      name: 'token of 1',
      email_verified: false,
      tfa: false,
      id: `token:${info.id}`,
      key: lineKey(1).fingerprint,
    })
    for (const path of ['/-/whoami', '/-/npm/v1/user', '/-/npm/v1/tokens'])
      expect((await world.ask('GET', mount + path)).status).toBe(401)
  })

  it('take a token as the password of any user, and give it back', async () => {
    const { token } = await world.token('npm:read:*')
    const body = { _id: 'org.couchdb.user:anna', name: 'anna', password: token, type: 'user', roles: [] }
    const answer = await world.ask('PUT', `${mount}/-/user/org.couchdb.user:anna`, undefined, body)
    expect(answer.status).toBe(201)
    expect(answer.headers.get('cache-control')).toBe('no-store')
    expect(await json(answer)).toEqual({ ok: 'you are logged in as anna', id: 'org.couchdb.user:anna', token })
  })

  it('refuse every other password', async () => {
    const { token } = await world.token('npm:read:*')
    for (const password of ['', 'secret', token.slice(0, -1), 'dpt_'])
      await expect401(await world.ask('PUT', `${mount}/-/user/org.couchdb.user:anna`, undefined, { password }))
    const wrong = await world.ask('PUT', `${mount}/-/user/org.couchdb.user:anna`, undefined, { name: 'anna' })
    expect(wrong.status).toBe(400)
    for (const user of ['org.couchdb.user:', 'anna', `org.couchdb.user:${'a'.repeat(201)}`])
      expect((await world.ask('PUT', `${mount}/-/user/${user}`, undefined, { password: token })).status).toBe(404)
  })

  it('log out the token that is shown, and no other', async () => {
    const { token } = await world.token('npm:read:*')
    const other = await world.token('npm:read:*')
    const answer = await world.ask('DELETE', `${mount}/-/user/token/${token}`, other.token)
    expect(await json(answer)).toEqual({ ok: true })
    expect((await world.ask('GET', `${mount}/-/whoami`, token)).status).toBe(401)
    expect((await world.ask('GET', `${mount}/-/whoami`, other.token)).status).toBe(200)
  })

  it('answer a logout alike, whatever is shown', async () => {
    const { token, info } = await world.token('npm:read:*')
    const cut = token.slice(0, -1)
    for (const shown of [token, token, cut, info.id, 'anything', `dpt_${'a'.repeat(2000)}`]) {
      const answer = await world.ask('DELETE', `${mount}/-/user/token/${shown}`)
      expect([answer.status, await answer.text()]).toEqual([200, '{"ok":true}'])
    }
  })
})

describe('npm tokens', () => {
  it('are made within what the caller has, listed and revoked', async () => {
    const { token } = await world.token('npm:*:*,python:*:*', 2)
    const made = await world.ask('POST', '/npm/-/npm/v1/tokens', token, { name: 'ci', password: 'x' })
    expect(made.status).toBe(201)
    const created = await json(made)
    const { token: child } = created as { token: string }
    const id = child.split('_')[1]
    expect(created).toMatchObject({ key: id, name: 'ci', readonly: false, cidr_whitelist: null })
    expect(await json(await world.ask('GET', '/-/session', child))).toMatchObject({ grants: ['npm:write:@acme/*'] })
    const listed = await json(await world.ask('GET', '/npm/-/npm/v1/tokens', token))
    expect(listed).toMatchObject({ urls: {}, objects: [{}, {}] })
    // The last one comes first, but two of one millisecond come in any order.
    const shown = expect.objectContaining({ key: id, token: `dpt_${id}`, name: 'ci' }) as unknown
    expect(listed['objects']).toContainEqual(shown)
    expect(JSON.stringify(listed)).not.toContain(child)
    expect((await world.ask('DELETE', `/npm/-/npm/v1/tokens/token/${id}`, token)).status).toBe(204)
    expect((await world.ask('GET', '/npm/-/whoami', child)).status).toBe(401)
    expect(await json(await world.ask('GET', '/npm/-/npm/v1/tokens', token))).toMatchObject({ objects: [{}] })
  })

  it.each([
    [{ readonly: true }, ['npm:read:*']],
    [{ packages_and_scopes_permission: 'read-only' }, ['npm:read:*']],
    [{ packages: ['left-pad', '@acme/button'] }, ['npm:write:left-pad', 'npm:write:@acme/button']],
    [{ scopes: ['@acme'], packages_and_scopes_permission: 'read-only' }, ['npm:read:@acme/*']],
    [{ packages: ['left-pad'], packages_all: true }, ['npm:write:*']],
    [{ cidr_whitelist: [], packages: null, name: null }, ['npm:write:*']],
  ])('with %j may %j', async (wish, grants) => {
    const { token } = await world.token('*:*:*')
    const made = await json(await world.ask('POST', '/npm/-/npm/v1/tokens', token, wish))
    expect(await json(await world.ask('GET', '/-/session', String(made['token'])))).toMatchObject({ grants })
  })

  it('last as many days as npm says', async () => {
    const { token } = await world.token('*:*:*')
    const made = await json(await world.ask('POST', '/npm/-/npm/v1/tokens', token, { expires: 7 }))
    expect(Date.parse(String(made['expires'])) - Date.parse(String(made['created']))).toBe(7 * 86_400_000)
  })

  it.each([
    [{ cidr_whitelist: ['10.0.0.0/8'] }, 400],
    [{ orgs: ['acme'] }, 400],
    [{ packages_and_scopes_permission: 'no-access' }, 400],
    [{ packages_and_scopes_permission: 'all' }, 400],
    [{ packages: ['../evil'] }, 400],
    [{ packages: ["it's"] }, 400],
    [{ scopes: ['acme'] }, 400],
    [{ scopes: ['@a/*'] }, 400],
    [{ expires: 400 }, 400],
    [{ expires: -1 }, 400],
    [{ packages: Array.from({ length: 101 }, () => 'a') }, 400],
    [{ name: '\u0007' }, 400],
    [{ name: 'a'.repeat(100_000) }, 413],
    ['{', 400],
  ])('are refused with %j', async (wish, status) => {
    const { token } = await world.token('*:*:*')
    const answer = await world.ask('POST', '/npm/-/npm/v1/tokens', token, wish)
    expect(answer.status).toBe(status)
    expect(await json(answer)).toEqual({ error: expect.any(String) as unknown })
  })

  it('for packages that the caller has no right to are refused', async () => {
    const { token } = await world.token('*:*:*', 2)
    const answer = await world.ask('POST', '/npm/-/npm/v1/tokens', token, { packages: ['left-pad'] })
    expect(answer.status).toBe(403)
    await answer.text()
  })
})

describe("npm's web login", () => {
  it('shows one page for every code, which no script runs in', async () => {
    const { loginUrl, doneUrl } = await start('/npm')
    const page = await fetch(loginUrl)
    const text = await page.text()
    expect(page.headers.get('content-type')).toBe('text/plain; charset=utf-8')
    expect(page.headers.get('x-content-type-options')).toBe('nosniff')
    expect(page.headers.get('content-security-policy')).toMatch(/^default-src 'none'/)
    const code = loginUrl.slice(-9)
    expect(text).toContain(`depot login ${world.url} --approve ${code}`)
    expect(await (await fetch(loginUrl.replace(code, 'BBBB-BBBB'))).text()).toBe(text.replaceAll(code, 'BBBB-BBBB'))
    expect(text).not.toContain('dpt_')
    expect(new URL(doneUrl).pathname).toMatch(/^\/npm\/-\/v1\/done\/dpt_/)
    expect((await fetch(loginUrl.replace(code, '<script>'))).status).toBe(404)
  })

  it.each(['/npm', ''])('is polled below %j until it is approved, and hands its token out once', async (mount) => {
    const { loginUrl, doneUrl } = await start(mount)
    const waiting = await fetch(doneUrl)
    expect([waiting.status, waiting.headers.get('retry-after')]).toEqual([202, String(LIMITS.webLoginPollSeconds)])
    expect(await json(waiting)).toEqual({})
    const { token } = await world.token('npm:*:*')
    await world.ask('POST', `/-/logins/${loginUrl.slice(-9)}`, token)
    expect((await fetch(doneUrl, { method: 'HEAD' })).status).toBe(405)
    const done = await fetch(doneUrl)
    expect([done.status, done.headers.get('cache-control')]).toEqual([200, 'no-store'])
    const { token: given } = (await done.json()) as { token: string }
    expect((await world.ask('GET', '/npm/-/whoami', given)).status).toBe(200)
    expect((await fetch(doneUrl)).status).toBe(404)
  })

  it('is nowhere for a secret that nobody has', async () => {
    for (const secret of ['dpt_', `dpt_login_BBBBBBBB_${'a'.repeat(43)}`, 'anything', `dpt_${'a'.repeat(3000)}`])
      expect((await world.fetch(`/npm/-/v1/done/${secret}`)).status).toBe(404)
  })
})

describe('a depot that asks nobody for credentials', () => {
  it('says so to those who want to log in', async () => {
    await using open = await startWorld()
    expect((await open.fetch('/npm/-/whoami')).status).toBe(401)
    for (const [method, path] of [
      ['POST', '/npm/-/v1/login'],
      ['PUT', '/npm/-/user/org.couchdb.user:a'],
      ['POST', '/npm/-/npm/v1/tokens'],
    ] as const) {
      const answer = await open.fetch(path, { method, body: '{}' })
      expect(answer.status).toBe(403)
      expect(await json(answer)).toEqual({ error: 'this depot asks nobody for credentials: npm works without a login' })
    }
  })
})

describe('passwords', () => {
  it('are not tried without end', async () => {
    await using fresh = await startAccountWorld({ blobs: 'memory' })
    const { token } = await fresh.token('npm:read:*')
    const attempt = (password: string) => fresh.ask('PUT', '/npm/-/user/org.couchdb.user:a', undefined, { password })
    const statuses: number[] = []
    let last: Response | undefined
    while (last?.status !== 429 && statuses.length < 500) statuses.push((last = await attempt('wrong')).status)
    expect(Number(last?.headers.get('retry-after'))).toBeGreaterThan(0)
    expect(statuses.length).toBeGreaterThan(LIMITS.badLoginsBurst)
    expect(new Set(statuses)).toEqual(new Set([401, 429]))
    await expect.poll(async () => (await attempt(token)).status).toBe(201)
  })
})

async function start(mount: string): Promise<{ loginUrl: string; doneUrl: string }> {
  const answer = await world.ask('POST', `${mount}/-/v1/login`, undefined, {})
  expect(answer.status).toBe(200)
  const urls = (await answer.json()) as { loginUrl: string; doneUrl: string }
  for (const url of Object.values(urls)) expect(url.startsWith(`${world.url}${mount}/-/v1/`)).toBe(true)
  return urls
}

async function expect401(answer: Response): Promise<void> {
  expect(answer.status).toBe(401)
  expect(answer.headers.get('www-authenticate')).toMatch(/^Basic/)
  expect(await json(answer)).toEqual({ error: expect.stringContaining('depot token create') as unknown })
}

it('ran into no bug until here', () => {
  expect(world.bugs).toEqual([])
})
