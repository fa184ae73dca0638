import { randomBytes } from 'node:crypto'
import { Agent } from 'node:http'

import { describe, expect, it, onTestFinished } from 'vitest'

import type { App, RouteLine } from '../../../src/app.ts'
import type { Admitted } from '../../../src/gate.ts'
import { startServer } from '../../../src/node/server.ts'
import { makeLoginKey } from '../../helpers/forged-logins.ts'
import {
  fill,
  makeToken,
  NOBODY,
  PLACES,
  SCOPE,
  storeNames,
  tokenCaller,
  type Caller,
} from '../../helpers/guarded-routes.ts'
import { nixUpload } from '../../helpers/nix-upload.ts'
import { tarballOf, withProvenance } from '../../helpers/npm-fixtures.ts'
import { rawRequest, type RawResponse } from '../../helpers/raw-http.ts'
import { describeWith, have } from '../../helpers/have.ts'
import { createBucket } from '../../helpers/s3.ts'
import { s3Settings } from '../../helpers/storage-pairs.ts'
import { startWorld, type World } from '../../helpers/world.ts'

/** What clients ask with. The tag is that of the whole answer. */
const VARIANTS: readonly ((etag: string) => Record<string, string>)[] = [
  () => ({}),
  (etag) => ({ 'If-None-Match': etag }),
  (etag) => ({ 'If-None-Match': `"other", W/${etag}` }),
  () => ({ 'If-None-Match': '*' }),
  () => ({ 'If-None-Match': '"other"' }),
  () => ({ Range: 'bytes=3-7' }),
  () => ({ Range: 'bytes=99999999-' }),
  (etag) => ({ Range: 'bytes=3-7', 'If-Range': etag }),
  () => ({ 'Accept-Encoding': 'gzip' }),
  () => ({ 'Accept-Encoding': 'zstd, gzip', Accept: 'application/vnd.npm.install-v1+json' }),
  () => ({ Accept: 'application/vnd.pypi.simple.v1+json' }),
  () => ({ 'Content-Length': '0' }),
]

/** Statuses that need no handler. */
const SHORT = new Set([200, 302, 304, 401, 404])

/** The same depot twice: as it is, and with every request left to its handler. */
async function startBoth(authFile?: string, settings: Readonly<Record<string, string>> = {}) {
  const world = await startWorld({
    settings: { 'trusted-proxy': '127.0.0.1', ...settings },
    ...(authFile === undefined ? {} : { authFile }),
  })
  const hot = new Set<string>()
  const slowly = (admitted: Admitted): Admitted => {
    const { mount, route, params } = admitted.match
    const { hot: short, ...long } = route
    if (short !== undefined) hot.add(mount.path + route.pattern)
    return { ...admitted, match: { mount, route: long, params } }
  }
  const slowApp: App = { ...world.app, gate: { admit: async (request) => slowly(await world.app.gate.admit(request)) } }
  const slow = await startServer({ app: slowApp, host: '127.0.0.1', port: 0, trustedProxies: ['127.0.0.1'] })
  let handled = 0
  const { fetch } = world.app
  Object.assign(world.app, {
    fetch(...given: Parameters<App['fetch']>) {
      handled++
      return fetch(...given)
    },
  } satisfies Pick<App, 'fetch'>)
  const agent = new Agent({ keepAlive: true })
  const slowUrl = `http://127.0.0.1:${slow.address.port}`
  return {
    world,
    /** Routes that have a short way, as far as they were asked. */
    hot,
    ask: async (url: string, path: string, method: string, headers: Record<string, string>): Promise<RawResponse> =>
      rawRequest(url, {
        method,
        path,
        agent,
        headers: { Host: new URL(world.url).host, 'X-Forwarded-For': someAddress(), ...headers },
      }),
    slowUrl,
    /** Requests that the depot itself has left to handlers. */
    handled: () => handled,
    async [Symbol.asyncDispose]() {
      agent.destroy()
      await slow[Symbol.asyncDispose]()
      await world[Symbol.asyncDispose]()
    },
  }
}

/** Another one each time: nobody is slowed down for what others guessed. */
const someAddress = (): string => [...randomBytes(3)].reduce((text, byte) => `${text}.${byte}`, '10')

type Both = Awaited<ReturnType<typeof startBoth>>

/** What a signature has of its second. */
const SIGNED = /(?<=&X-Amz-(?:Date|Signature)=)\w+/g
/** When a search was made. */
const MOMENT = /(?<="time":")[^"]+(?="\}$)/

/** All of an answer but its time, its request and its connection; each header once. */
function whole({ status, headers, body }: RawResponse) {
  const { date: _date, connection: _connection, 'keep-alive': _keepAlive, ...told } = headers
  const location = told.location === undefined ? {} : { location: told.location.replaceAll(SIGNED, '') }
  return { status, headers: { ...told, ...location }, body: body.toString('latin1').replace(MOMENT, '') }
}

const stored = await nixUpload('what is stored')

/** Paths of a route: those of the table, and those that clients take from other answers. */
function pathsOf(route: RouteLine): readonly string[] {
  const paths = PLACES.map((place) => fill(route, place).path((name) => name))
  if (route.path.endsWith('/nar/:file')) {
    const other = stored.narHash.replace(/^./, '0')
    paths.push(...[stored.narHash, other].map((hash) => route.path.replace(':file', `${hash}.nar.zst`)))
  }
  if (route.path.endsWith('/:file') && route.ecosystem === 'python')
    paths.push(...paths.map((path) => `${path}.metadata`))
  return [...new Set(paths)]
}

/** Ask both for the same; what the depot answered, and whether without a handler. */
async function compare(both: Both, path: string, method: string, headers: Record<string, string>) {
  const slow = await both.ask(both.slowUrl, path, method, { 'Content-Length': '0', ...headers })
  const before = both.handled()
  const answer = await both.ask(both.world.url, path, method, headers)
  const what = `${method} ${path} ${JSON.stringify({ ...headers, Authorization: undefined })}`
  expect({ what, ...whole(answer) }).toEqual({ what, ...whole(slow) })
  return { answer, short: both.handled() === before }
}

interface Seen {
  readonly statuses: Set<number>
  readonly short: Set<number>
}

async function checkRoute(both: Both, route: RouteLine, caller: Caller, seen: Seen): Promise<void> {
  for (const path of pathsOf(route))
    for (const method of ['GET', 'HEAD']) {
      const authorization = caller.authorization(method, path)
      const shown = authorization === undefined ? {} : { Authorization: authorization }
      // The first one to ask has the document made, and learns whether there is a short way.
      await both.ask(both.slowUrl, path, method, shown)
      const first = await both.ask(both.world.url, path, method, shown)
      for (const variant of both.hot.has(route.path) ? VARIANTS : VARIANTS.slice(0, 2)) {
        const headers = { ...shown, ...variant(first.headers.etag ?? '"none"') }
        await both.ask(both.world.url, path, 'GET', headers)
        const { answer, short } = await compare(both, path, method, headers)
        seen.statuses.add(answer.status)
        if (short) seen.short.add(answer.status)
      }
    }
}

async function store(world: World, authorization: string): Promise<void> {
  await storeNames(world, authorization)
  await publish(world, { name: 'npm', version: '1.0.0' }, authorization)
}

async function publish(
  world: World,
  manifest: { readonly name: string; readonly version: string; readonly description?: string },
  authorization = 'Bearer any',
): Promise<void> {
  const body = JSON.stringify(withProvenance(manifest, await tarballOf(manifest)))
  const answer = await world.fetch(`/npm/${manifest.name}`, { method: 'PUT', body, headers: { authorization } })
  expect(answer.status).toBe(201)
}

/** Every route that can be read, by everybody who is given here. */
async function checkAll(both: Both, callers: readonly Caller[]): Promise<ReadonlyMap<string, Seen>> {
  const byRoute = new Map<string, Seen>()
  for (const route of both.world.app.routes.filter(({ method }) => method === 'GET')) {
    const seen = { statuses: new Set<number>(), short: new Set<number>() }
    for (const caller of callers) await checkRoute(both, route, caller, seen)
    byRoute.set(route.path, seen)
  }
  return byRoute
}

/** That every route with a short way went it, for each of its answers that needs no handler. */
function expectShort(both: Both, byRoute: ReadonlyMap<string, Seen>): void {
  expect(both.hot.size).toBeGreaterThan(10)
  for (const route of both.hot) {
    const { statuses, short } = byRoute.get(route) ?? { statuses: new Set(), short: new Set() }
    const due = new Set([...statuses].filter((status) => SHORT.has(status)))
    expect({ route, short }).toEqual({ route, short: due })
    expect([...due]).toEqual(expect.arrayContaining([200, 304]))
  }
  expect(both.world.bugs).toEqual([])
}

describe('what is answered without a handler is what the handler answers', () => {
  it('where everybody may read', async () => {
    const both = await startBoth()
    onTestFinished(() => both[Symbol.asyncDispose]())
    await store(both.world, 'Bearer any')
    expectShort(both, await checkAll(both, [NOBODY]))
  }, 120_000)

  it('of many that are asked at once, while what they are about changes', async () => {
    const both = await startBoth()
    onTestFinished(() => both[Symbol.asyncDispose]())
    const { world } = both
    await store(world, 'Bearer any')
    const codings = ['identity', 'gzip', 'zstd']
    const bodies = new Map<string, string>()
    for (let round = 0; round < 4; round++) {
      const version = `2.0.${round}`
      const published = publish(world, { name: 'many', version, description: 'ü'.repeat(4000) })
      const asked = Array.from({ length: 150 }, (_, index) =>
        both.ask(world.url, round === 0 ? '/npm/npm' : '/npm/many', index % 7 === 0 ? 'HEAD' : 'GET', {
          'Accept-Encoding': codings[index % 3] ?? '',
          'X-Request': `${index}`,
        }),
      )
      for (const { status, headers, body } of await Promise.all(asked)) {
        expect(status).toBe(200)
        if (body.byteLength === 0) continue
        const text = body.toString('latin1')
        expect(body.byteLength).toBe(Number(headers['content-length']))
        expect(bodies.get(headers.etag ?? '') ?? text).toBe(text)
        bodies.set(headers.etag ?? '', text)
      }
      await published
      for (const coding of codings) await compare(both, '/npm/many', 'GET', { 'Accept-Encoding': coding })
      expect((await both.ask(world.url, '/npm/many', 'GET', {})).body.toString()).toContain(version)
    }
    expect(bodies.size).toBeGreaterThan(3)
    expect(world.bugs).toEqual([])
  }, 120_000)

  it('where an archive is stored in another way than its name says: that is for its handler', async () => {
    const both = await startBoth()
    onTestFinished(() => both[Symbol.asyncDispose]())
    const { kv } = both.world.depot
    await store(both.world, 'Bearer any')
    const path = `/nix/nar/${stored.narHash}.nar.zst`
    expect((await compare(both, path, 'GET', {})).short).toBe(true)
    const rows = (await kv.blobs(undefined, 100)).filter(({ encoding }) => encoding === 'zstd')
    expect(rows).not.toEqual([])
    await kv.commit({
      cache: 1,
      blobs: rows.map((row) => ({ ...row, encoding: 'raw', layout: 'whole', frames: new Uint8Array(0) })),
    })
    expect(await compare(both, path, 'GET', {})).toMatchObject({ short: false, answer: { status: 200 } })
  }, 60_000)

  it('where some may read all, some may read some, and some nothing', async () => {
    const [writer, reader] = [makeLoginKey(), makeLoginKey()]
    const both = await startBoth(`w ${writer.line} writer@test\nr ${reader.line} reader@test\n`)
    onTestFinished(() => both[Symbol.asyncDispose]())
    const token = (grants: readonly string[]) => makeToken(both.world.url, writer, grants)
    const all = await token(['*:*:*'])
    await store(both.world, `Bearer ${all}`)
    const callers = [NOBODY, tokenCaller('all', all), tokenCaller('some', await token(SCOPE))]
    const byRoute = await checkAll(both, callers)
    expectShort(both, byRoute)
    for (const route of both.hot) expect(byRoute.get(route)?.short).toContain(401)
  }, 240_000)
})

describeWith('s3', 'what is answered without a handler, where blobs lie in a bucket', () => {
  it.each(['always', 'never'])(
    'is what the handler answers, with redirects %s',
    async (redirect) => {
      await using bucket = await createBucket(have.paths.s3)
      await using both = await startBoth(undefined, {
        'storage-type': 's3',
        ...s3Settings(bucket),
        's3-redirect': redirect,
      })
      await store(both.world, 'Bearer any')
      const byRoute = await checkAll(both, [NOBODY])
      expectShort(both, byRoute)
      const redirected = [...byRoute].filter(([, { statuses }]) => statuses.has(302)).map(([path]) => path)
      const archives = ['/nix/nar/:file', '/npm/:name/-/:file', '/npm/-/:file', '/python/files/:project/:file']
      expect(redirected.filter((path) => archives.includes(path)).toSorted()).toEqual(
        redirect === 'always' ? archives.toSorted() : [],
      )
      expect(redirected.filter((path) => !path.endsWith('/:file'))).toEqual([])
    },
    120_000,
  )
})
