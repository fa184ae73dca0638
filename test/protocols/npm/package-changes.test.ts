import { gzipSync } from 'node:zlib'

import { afterAll, beforeAll, describe, expect, it } from 'vitest'

import { npmProtocol } from '../../../protocols/npm/index.ts'
import { LIMITS } from '../../../src/limits.ts'
import { MAIN_CACHE } from '../../../src/kv-store.ts'
import { startAccountWorld, type AccountWorld } from '../../helpers/account-world.ts'
import { publishOf, tarballOf } from '../../helpers/npm-fixtures.ts'
import { json, put, startNpmWorld } from '../../helpers/npm-world.ts'

interface Packument extends Record<string, unknown> {
  _rev: string
  readonly 'dist-tags': Record<string, string>
  readonly versions: Record<string, Record<string, unknown>>
}

let world: AccountWorld
let writer: string
beforeAll(async () => {
  world = await startAccountWorld({ reads: 'open', protocols: [npmProtocol()] })
  writer = (await world.token('npm:write:*')).token
})
afterAll(() => world[Symbol.asyncDispose]())

async function publish(name: string, version: string, manifest: object = {}): Promise<void> {
  const tarball = await tarballOf({ name, version })
  const body = publishOf({ name, version }, tarball, { manifest: { ...manifest } })
  const answer = await world.ask('PUT', `/npm/${name}`, writer, body)
  if (answer.status !== 201) throw new Error(await answer.text())
}

async function packument(name: string): Promise<Packument> {
  return (await json(await world.fetch(`/npm/${name}?write=true`))) as Packument
}

async function refusal(answer: Response): Promise<readonly [number, unknown]> {
  expect(answer.headers.get('content-type')).toBe('application/json')
  return [answer.status, (await json(answer))['error']]
}

describe('a packument that is put back', () => {
  it('changes nothing and no revision when it says what is there', async () => {
    await publish('same', '1.0.0', {
      deprecated: 'from its author',
      maintainers: ['Alice <a@example.org>', { email: 'x' }],
    })
    const before = await packument('same')
    expect((await world.ask('PUT', '/npm/same', writer, before)).status).toBe(201)
    // The text is its own now; a revision more, and after that none.
    const after = await packument('same')
    expect(after['versions']).toEqual(before['versions'])
    expect((await world.ask('PUT', '/npm/same', writer, after)).status).toBe(201)
    expect(await packument('same')).toEqual(after)
  })

  it('takes texts of deprecation from it and nothing else of a version', async () => {
    await publish('sober', '1.0.0', { bin: { sober: 'index.js' } })
    const document = await packument('sober')
    const version = document.versions['1.0.0'] ?? {}
    Object.assign(version, { deprecated: 'why', bin: { evil: 'x' }, dist: { tarball: 'http://evil.example/x.tgz' } })
    Object.assign(document, { readme: 'evil', time: { '1.0.0': '1970-01-01T00:00:00.000Z' }, description: 'evil' })
    document.versions['6.6.6'] = { ...version, version: '6.6.6' }
    expect((await world.ask('PUT', '/npm/sober', writer, document)).status).toBe(201)
    const { versions, ...rest } = await packument('sober')
    expect(versions).toEqual({
      '1.0.0': expect.objectContaining({ deprecated: 'why', bin: { sober: 'index.js' } }) as unknown,
    })
    expect(JSON.stringify([versions, rest])).not.toContain('evil')
  })

  it('undeprecates what its author had deprecated', async () => {
    await publish('revived', '1.0.0', { deprecated: 'from its author' })
    const document = await packument('revived')
    Object.assign(document.versions['1.0.0'] ?? {}, { deprecated: '' })
    expect((await world.ask('PUT', '/npm/revived', writer, document)).status).toBe(201)
    expect((await packument('revived')).versions['1.0.0']).not.toHaveProperty('deprecated')
    expect(await json(await world.fetch('/npm/revived/1.0.0'))).not.toHaveProperty('deprecated')
  })

  it('may come with gzip, and is refused when it inflates beyond its bound', async () => {
    await publish('zipped', '1.0.0')
    const send = (body: string) =>
      world.fetch('/npm/zipped', {
        method: 'PUT',
        headers: { authorization: `Bearer ${writer}`, 'content-encoding': 'gzip' },
        body: Uint8Array.from(gzipSync(body)),
      })
    expect((await send('{"versions":{"1.0.0":{"deprecated":"why"}}}')).status).toBe(201)
    expect((await packument('zipped')).versions['1.0.0']).toMatchObject({ deprecated: 'why' })
    const bomb = `{"readme":"${' '.repeat(LIMITS.npmDocumentBytesMax)}"}`
    expect(await refusal(await send(bomb))).toEqual([413, expect.any(String)])
  }, 60_000)

  it.each<[string, number, (document: Packument) => unknown]>([
    ['versions missing', 400, (document) => ({ ...document, versions: {} })],
    ['a tag moved', 400, (document) => ({ ...document, 'dist-tags': { latest: '1.0.0' } })],
    ['a tag more', 400, (document) => ({ ...document, 'dist-tags': { ...document['dist-tags'], more: '1.0.0' } })],
    ['another name', 400, (document) => ({ ...document, name: 'other' })],
    ['another _id', 400, (document) => ({ ...document, _id: 'other' })],
    ['an older revision', 409, (document) => ({ ...document, _rev: '1-0' })],
    ['owners that are none', 400, (document) => ({ ...document, maintainers: 'alice' })],
    ['no owners', 400, (document) => ({ ...document, maintainers: [] })],
    ['owners with odd names', 400, (document) => ({ ...document, maintainers: [{ name: { toString: 1 } }] })],
    [
      'a text without end',
      400,
      (document) => ({
        ...document,
        versions: { ...document.versions, '1.0.0': { deprecated: 'x'.repeat(LIMITS.npmDeprecationLengthMax + 1) } },
      }),
    ],
    [
      'a version called constructor',
      400,
      (document) => ({ ...document, versions: { ...document.versions, constructor: {} } }),
    ],
    ['users that are none', 400, (document) => ({ ...document, users: ['alice'] })],
    ['an attachment without data', 400, (document) => ({ ...document, versions: {}, _attachments: { 'x.tgz': {} } })],
    [
      'a hundred thousand versions',
      413,
      (document) => ({
        ...document,
        versions: Object.fromEntries(Array.from({ length: 100_000 }, (_, patch) => [`9.0.${patch}`, {}])),
      }),
    ],
  ])('is refused with %s, and changes nothing', async (what, status, change) => {
    const name = `refused-${what.replaceAll(' ', '-').toLowerCase().replace('_', '')}`
    for (const version of ['1.0.0', '2.0.0']) await publish(name, version)
    const before = await packument(name)
    const answer = await world.ask('PUT', `/npm/${name}`, writer, change(structuredClone(before)))
    expect(await refusal(answer)).toEqual([status, expect.stringMatching(/\w/)])
    expect(await packument(name)).toEqual(before)
    expect(world.bugs).toEqual([])
  })

  it('cannot make a package', async () => {
    for (const body of [{}, { name: 'nothing', versions: {} }, { versions: { '1.0.0': {} } }])
      expect(await refusal(await world.ask('PUT', '/npm/nothing', writer, body))).toEqual([
        400,
        expect.stringMatching(/carries a tarball/),
      ])
    expect((await world.fetch('/npm/nothing')).status).toBe(404)
  })

  it('lets nobody star for others', async () => {
    await publish('starry', '1.0.0')
    const users = { alice: true, bob: true, constructor: true }
    expect((await world.ask('PUT', '/npm/starry', writer, { users })).status).toBe(201)
    expect(await packument('starry')).not.toHaveProperty('users')
  })

  it('stars for nobody where nobody has a name', async () => {
    await using open = await startNpmWorld()
    const own = { name: 'starless', version: '1.0.0' }
    expect((await put(open, own.name, publishOf(own, await tarballOf(own)))).status).toBe(201)
    expect((await put(open, own.name, { users: { anonymous: true, '': true } })).status).toBe(201)
    const body = JSON.stringify({ package: own.name })
    expect((await open.fetch('/npm/-/user/v1/star', { method: 'PUT', body })).status).toBe(403)
    expect(await json(await open.fetch('/npm/starless'))).not.toHaveProperty('users')
  })

  it('may say what an author said at any length', async () => {
    const deprecated = 'x'.repeat(LIMITS.npmDeprecationLengthMax + 1)
    await publish('wordy', '1.0.0', { deprecated })
    expect((await world.ask('PUT', '/npm/wordy', writer, await packument('wordy'))).status).toBe(201)
    expect((await packument('wordy')).versions['1.0.0']).toMatchObject({ deprecated })
  })

  it('may be that of a name from before there were rules', async () => {
    const own = { name: 'JSONStream', version: '1.0.0' }
    const headers = { authorization: `Bearer ${writer}` }
    const tarball = Uint8Array.from(await tarballOf(own))
    const path = '/npm/JSONStream'
    expect(
      (await world.fetch(`${path}/-/JSONStream-1.0.0.tgz`, { method: 'PUT', headers, body: tarball })).status,
    ).toBe(200)
    expect((await world.ask('PUT', `${path}/1.0.0`, writer, own)).status).toBe(201)
    const document = await packument('JSONStream')
    Object.assign(document.versions['1.0.0'] ?? {}, { deprecated: 'old' })
    expect((await world.ask('PUT', path, writer, document)).status).toBe(201)
    expect((await packument('JSONStream')).versions['1.0.0']).toMatchObject({ deprecated: 'old' })
  })

  it('is written into the audit log once, by whoever sent it', async () => {
    await publish('logged', '1.0.0')
    const head = (await world.depot.kv.audit(0, 10_000)).length
    for (const _again of [1, 2])
      await world.ask('PUT', '/npm/logged', writer, { versions: { '1.0.0': { deprecated: 'why' } } })
    const lines = (await world.depot.kv.audit(0, 10_000)).slice(head)
    expect(lines).toMatchObject([{ action: 'npm:write', resource: 'logged', cache: MAIN_CACHE.id }])
    expect(lines[0]?.principal).toMatch(/^token:/)
  })
})

describe('a dist-tag', () => {
  const tag = (name: string, word: string, method = 'GET', body?: unknown) =>
    world.ask(method, `/npm/-/package/${name}/dist-tags/${word}`, method === 'GET' ? undefined : writer, body)

  it('is set, read, moved and removed, and each move stands in the audit log with what it names', async () => {
    for (const version of ['1.0.0', '2.0.0']) await publish('@acme/tagged', version)
    const head = (await world.depot.kv.audit(0, 10_000)).length
    const name = '@acme%2ftagged'
    expect((await tag(name, 'stable', 'PUT', '"1.0.0"')).status).toBe(201)
    expect(await (await tag(name, 'stable')).json()).toBe('1.0.0')
    expect((await tag('@acme/tagged', 'stable', 'PUT', '"2.0.0"')).status).toBe(201)
    expect((await tag(name, 'stable', 'PUT', '"2.0.0"')).status).toBe(201)
    expect((await tag(name, 'stable', 'DELETE')).status).toBe(201)
    expect((await tag(name, 'stable')).status).toBe(404)
    const lines = (await world.depot.kv.audit(0, 10_000)).slice(head)
    expect(lines.map(({ action, resource, digest }) => [action, resource, digest.length])).toEqual([
      ['npm:write', '@acme/tagged@stable', 64],
      ['npm:write', '@acme/tagged@stable', 64],
      ['npm:write', '@acme/tagged@stable', 0],
    ])
  })

  it.each([
    ['latest', 'DELETE', undefined, 400],
    ['missing', 'DELETE', undefined, 404],
    ['stable', 'PUT', '"9.9.9"', 404],
    ['stable', 'PUT', '"latest"', 400],
    ['stable', 'PUT', '{"version":"1.0.0"}', 400],
    ['stable', 'PUT', '1.0.0', 400],
    ['stable', 'PUT', `"${'1'.repeat(5000)}"`, 413],
    ['1.0.0', 'PUT', '"1.0.0"', 404],
    ['constructor', 'PUT', '"1.0.0"', 404],
    ['__proto__', 'PUT', '"1.0.0"', 404],
    ['a%2fb', 'PUT', '"1.0.0"', 404],
  ])('%s: %s with %s is refused', async (word, method, body, status) => {
    if ((await world.fetch('/npm/fixed')).status === 404) await publish('fixed', '1.0.0')
    expect(await refusal(await tag('fixed', word, method, body))).toEqual([status, expect.any(String)])
    expect((await packument('fixed'))['dist-tags']).toEqual({ latest: '1.0.0' })
    expect(({} as { polluted?: unknown }).polluted).toBeUndefined()
  })
})

describe('owners, as pnpm changes them', () => {
  it('begin with those whom the manifest names, and the last one stays', async () => {
    await publish('owned', '1.0.0', { maintainers: [{ name: 'alice', email: 'a@example.org' }] })
    const owners = '/npm/-/package/owned/owners'
    const names = async () => (await packument('owned'))['maintainers']
    expect((await world.ask('PUT', owners, writer, { user: 'bob' })).status).toBe(201)
    expect((await world.ask('PUT', owners, writer, { user: 'bob' })).status).toBe(201)
    expect(await names()).toEqual([{ name: 'alice', email: 'a@example.org' }, { name: 'bob' }])
    expect((await world.ask('DELETE', `${owners}/alice`, writer)).status).toBe(200)
    expect(await refusal(await world.ask('DELETE', `${owners}/alice`, writer))).toEqual([404, expect.any(String)])
    expect(await refusal(await world.ask('DELETE', `${owners}/bob`, writer))).toEqual([400, expect.any(String)])
    for (const body of [{}, { user: '' }, { user: 1 }, [], 'x', { user: 'x'.repeat(1000) }])
      expect((await world.ask('PUT', owners, writer, JSON.stringify(body))).status).toBe(400)
    expect(await names()).toEqual([{ name: 'bob' }])
    expect((await world.ask('PUT', '/npm/-/package/nowhere/owners', writer, { user: 'bob' })).status).toBe(404)
  })
})

describe('a star, as pnpm gives it', () => {
  const star = (method: string, body: unknown, token: string | undefined = writer) =>
    world.ask(method, '/npm/-/user/v1/star', token, body)

  it("is the caller's own, is given and taken back, and is written once", async () => {
    await publish('@acme/bright', '1.0.0')
    const head = (await world.depot.kv.audit(0, 10_000)).length
    const given = { name: '@acme/bright', package: '@acme/bright' }
    for (const _again of [1, 2]) expect((await star('PUT', given)).status).toBe(200)
    const { users } = await packument('@acme/bright')
    expect(Object.values(users as object)).toEqual([true])
    for (const _again of [1, 2]) expect((await star('DELETE', given)).status).toBe(200)
    expect(await packument('@acme/bright')).not.toHaveProperty('users')
    const lines = (await world.depot.kv.audit(0, 10_000)).slice(head)
    expect(lines.map(({ resource }) => resource)).toEqual(['@acme/bright', '@acme/bright'])
  })

  it('is refused for what is no package, is not here, or is not for the caller to change', async () => {
    await publish('dark', '1.0.0')
    const { token: other } = await world.token('npm:write:bright')
    for (const [status, body, token] of [
      [400, {}],
      [400, { package: '../x' }],
      [400, { package: 'x'.repeat(1000) }],
      [404, { package: 'nowhere-to-be-seen' }],
      [403, { package: 'dark' }, other],
    ] as const)
      expect([body, ...(await refusal(await star('PUT', body, token)))]).toEqual([body, status, expect.any(String)])
    expect((await world.fetch('/npm/-/user/v1/star', { method: 'PUT', body: '{"package":"dark"}' })).status).toBe(401)
    expect(await packument('dark')).not.toHaveProperty('users')
  })
})

describe('what npm asks and this registry does not have', () => {
  it.each([
    ['GET', '-/package/fixed/visibility'],
    ['POST', '-/package/fixed/access'],
    ['GET', '-/package/fixed/collaborators'],
    ['GET', '-/org/acme/user'],
    ['PUT', '-/org/acme/user'],
    ['GET', '-/org/acme/team?format=cli'],
    ['PUT', '-/team/acme/devs/package'],
    ['DELETE', '-/team/acme/devs'],
    ['GET', '-/npm/v1/hooks'],
    ['POST', '-/npm/v1/hooks/hook'],
    ['GET', '-/stage?page=0&perPage=100'],
  ])('%s %s is a 404 in JSON, under the mount and at the root', async (method, path) => {
    for (const mount of ['/npm/', '/'])
      expect(await refusal(await world.ask(method, mount + path, writer, method === 'GET' ? undefined : {}))).toEqual([
        404,
        expect.any(String),
      ])
  })
})
