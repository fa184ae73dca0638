import { gunzipSync, zstdDecompressSync } from 'node:zlib'

import { afterAll, beforeAll, describe, expect, it } from 'vitest'

import { rawRequest, type RawResponse } from '../../helpers/raw-http.ts'
import { json, publish, startNpmWorld } from '../../helpers/npm-world.ts'
import { startWorld, type World } from '../../helpers/world.ts'
import { npmProtocol } from '../../../protocols/npm/index.ts'

const CORGI = 'application/vnd.npm.install-v1+json; q=1.0, application/json; q=0.8, */*'

let world: World
let plain: Buffer
let scoped: Buffer

beforeAll(async () => {
  world = await startNpmWorld()
  plain = await publish(world, { name: 'plain', version: '1.0.0', os: ['linux'], readme: 'words' })
  await publish(world, { name: 'plain', version: '1.1.0' }, { tag: 'next' })
  scoped = await publish(world, { name: '@acme/button', version: '1.0.0' })
})
afterAll(() => world[Symbol.asyncDispose]())

function get(path: string, headers: Record<string, string> = {}, method = 'GET'): Promise<RawResponse> {
  return rawRequest(world.url, { path, headers, method })
}

describe('a packument', () => {
  const accepts = { full: 'application/json', abbreviated: CORGI }
  const codings = { identity: 'identity', gzip: 'gzip, deflate', zstd: 'zstd, gzip' }
  const decoders: Record<string, (bytes: Buffer) => Buffer> = {
    identity: (bytes) => bytes,
    gzip: gunzipSync,
    zstd: zstdDecompressSync,
  }

  it('has an ETag of its own in each form and coding, the same bytes in each coding, and answers 304', async () => {
    const etags = new Set<string>()
    for (const [form, accept] of Object.entries(accepts)) {
      const bodies = new Set<string>()
      for (const [coding, acceptEncoding] of Object.entries(codings)) {
        const headers = { accept, 'accept-encoding': acceptEncoding }
        const seen: unknown[] = []
        // Twice: the first answer is rendered by the handler, the second comes from its row without it.
        for (let round = 0; round < 2; round++) {
          const answer = await get('/npm/plain', headers)
          expect(answer.status).toBe(200)
          expect(answer.headers).toMatchObject({
            vary: 'Accept, Accept-Encoding',
            'content-type': form === 'full' ? 'application/json' : 'application/vnd.npm.install-v1+json',
            'content-length': String(answer.body.byteLength),
          })
          expect(answer.headers['content-encoding'] ?? 'identity').toBe(coding)
          seen.push({ ...answer.headers, date: '', 'x-request-id': '' })
          bodies.add(decoders[coding]?.(answer.body).toString() ?? '')
          etags.add(answer.headers.etag ?? '')
          const again = await get('/npm/plain', { ...headers, 'if-none-match': answer.headers.etag ?? '' })
          expect([again.status, again.body.byteLength, again.headers.etag]).toEqual([304, 0, answer.headers.etag])
          const head = await get('/npm/plain', headers, 'HEAD')
          expect([head.status, head.body.byteLength, head.headers['content-length']]).toEqual([
            200,
            0,
            answer.headers['content-length'],
          ])
        }
        expect(seen[1]).toEqual(seen[0])
      }
      expect(bodies.size).toBe(1)
    }
    expect([...etags].filter((etag) => /^"[\w-]+"$/.test(etag))).toHaveLength(6)
  })

  it('is abbreviated only for those who ask', async () => {
    const corgi = await json(await world.fetch('/npm/plain', { headers: { accept: CORGI } }))
    expect(Object.keys(corgi).sort()).toEqual(['dist-tags', 'modified', 'name', 'time', 'versions'])
    expect(corgi).toMatchObject({
      versions: { '1.0.0': { os: ['linux'] } },
      time: { '1.0.0': expect.any(String) as unknown },
    })
    const full = await json(await world.fetch('/npm/plain', { headers: { accept: '*/*' } }))
    expect(full).toMatchObject({ _id: 'plain', readme: 'words', 'dist-tags': { latest: '1.0.0', next: '1.1.0' } })
  })

  it('changes its _rev and every ETag with a write', async () => {
    await publish(world, { name: 'moving', version: '1.0.0' })
    const read = async () => {
      const answer = await world.fetch('/npm/moving')
      return [answer.headers.get('etag'), (await json(answer))['_rev']]
    }
    const before = await read()
    await publish(world, { name: 'moving', version: '2.0.0' })
    const after = await read()
    expect([before[0] === after[0], before[1] === after[1]]).toEqual([false, false])
    const stale = await world.fetch('/npm/moving', { headers: { 'if-none-match': before[0] as string } })
    expect(stale.status).toBe(200)
  })

  it.each([
    '/npm/@acme%2fbutton',
    '/npm/@acme%2Fbutton',
    '/npm/@acme/button',
    '/@acme%2fbutton',
    '/@acme/button',
    '/npm/%40acme%2fbutton',
  ])('of a scoped package is found at %s', async (path) => {
    const { status, body } = await get(path)
    expect([status, (JSON.parse(body.toString()) as { name: string }).name]).toEqual([200, '@acme/button'])
  })

  it('has addresses below the mount that was asked', async () => {
    const at = async (path: string) => JSON.stringify(await json(await world.fetch(path)))
    expect(await at('/npm/@acme%2fbutton')).toContain(`"${world.url}/npm/@acme/button/-/button-1.0.0.tgz"`)
    expect(await at('/@acme%2fbutton')).toContain(`"${world.url}/@acme/button/-/button-1.0.0.tgz"`)
  })

  it('is not mixed up by case', async () => {
    expect((await get('/npm/Plain')).status).toBe(404)
  })

  it('cannot be given beyond loopback without a public URL', async () => {
    await using open = await startWorld({ protocols: [npmProtocol()], site: { loopback: false } })
    await publish(open, { name: 'plain', version: '1.0.0' })
    const answer = await open.fetch('/npm/plain')
    expect([answer.status, await json(answer)]).toEqual([
      503,
      { error: expect.stringMatching(/--public-url/) as unknown },
    ])
  })
})

describe('one version', () => {
  it.each(['1.0.0', 'latest'])('is found as %s', async (selector) => {
    const answer = await world.fetch(`/npm/plain/${selector}`)
    expect(answer.headers.get('content-type')).toBe('application/json')
    expect(await json(answer)).toMatchObject({ _id: 'plain@1.0.0', readme: 'words' })
  })

  it.each(['9.9.9', 'nonsense', 'constructor', '__proto__', 'toString', '^1.0.0'])(
    'is not found as %s',
    async (selector) => {
      const answer = await world.fetch(`/npm/plain/${selector}`)
      expect([answer.status, Object.keys(await json(answer))]).toEqual([404, ['error']])
    },
  )
})

describe('a tarball', () => {
  const paths = [
    '/npm/@acme/button/-/button-1.0.0.tgz',
    '/npm/@acme%2fbutton/-/button-1.0.0.tgz',
    '/npm/@acme%2Fbutton/-/button-1.0.0.tgz',
    '/npm/@acme/button/-/@acme/button-1.0.0.tgz',
    '/npm/@acme%2fbutton/-/@acme%2fbutton-1.0.0.tgz',
    '/@acme%2fbutton/-/button-1.0.0.tgz',
    '/@acme/button/-/button-1.0.0.tgz',
  ]

  it.each(paths)('of a scoped package is found at %s', async (path) => {
    const { status, body } = await get(path)
    expect([status, body.equals(scoped)]).toEqual([200, true])
  })

  it('comes whole, uncoded, of known length, for ever', async () => {
    const answer = await get('/npm/plain/-/plain-1.0.0.tgz', { 'accept-encoding': 'zstd, gzip', accept: CORGI })
    expect(answer.body.equals(plain)).toBe(true)
    expect(answer.headers).toMatchObject({
      'content-type': 'application/octet-stream',
      'content-length': String(plain.byteLength),
      'cache-control': expect.stringContaining('immutable') as unknown,
      'accept-ranges': 'bytes',
    })
    expect(answer.headers['content-encoding']).toBeUndefined()
  })

  it('answers HEAD, Range and If-None-Match', async () => {
    const path = '/npm/plain/-/plain-1.0.0.tgz'
    const head = await get(path, {}, 'HEAD')
    expect([head.status, head.headers['content-length'], head.body.byteLength]).toEqual([200, `${plain.byteLength}`, 0])
    const part = await get(path, { range: 'bytes=10-19' })
    expect([part.status, part.body.equals(plain.subarray(10, 20))]).toEqual([206, true])
    expect((await get(path, { range: `bytes=${plain.byteLength}-` })).status).toBe(416)
    expect((await get(path, { 'if-none-match': head.headers.etag ?? '' })).status).toBe(304)
  })

  it.each([
    '/npm/plain/-/plain-9.9.9.tgz',
    '/npm/plain/-/button-1.0.0.tgz',
    '/npm/plain/-/plain-1.0.0.zip',
    '/npm/other/-/other-1.0.0.tgz',
    '/npm/-/plain-1.0.0.tgz',
  ])('is missed at %s in JSON', async (path) => {
    const answer = await get(path)
    expect([answer.status, Object.keys(JSON.parse(answer.body.toString()) as object)]).toEqual([404, ['error']])
  })

  it('of the package called npm is found where npm looks for it under a mount called /npm', async () => {
    const tarball = await publish(world, { name: 'npm', version: '11.0.0' })
    for (const path of ['/npm/-/npm-11.0.0.tgz', '/npm/npm/-/npm-11.0.0.tgz']) {
      expect((await get(path)).body.equals(tarball)).toBe(true)
    }
    expect(await json(await world.fetch('/npm/npm'))).toMatchObject({ name: 'npm' })
  })
})

describe('the registry itself', () => {
  it('answers a ping', async () => {
    const answer = await world.fetch('/npm/-/ping')
    expect([answer.status, await json(answer)]).toEqual([200, {}])
  })

  it('knows nobody without credentials', async () => {
    const answer = await world.fetch('/npm/-/whoami')
    expect([answer.status, Object.keys(await json(answer))]).toEqual([401, ['error']])
    expect(answer.headers.get('www-authenticate')).toMatch(/Bearer/)
  })

  it('says in JSON what is not here', async () => {
    const answer = await world.fetch('/npm/@acme%2fmissing')
    expect(answer.headers.get('content-type')).toBe('application/json')
    expect([answer.status, await json(answer)]).toEqual([404, { error: 'not found here, or not for you to see' }])
    for (const path of [
      '/npm',
      '/npm/',
      '/npm/pnpm',
      '/npm/-/package/plain/visibility',
      '/npm/-/package/plain/collaborators',
      '/npm/-/org/acme/user',
      '/npm/-/org/acme/team?format=cli',
      '/npm/-/user/somebody/package',
      '/npm/-/v1/hooks',
      '/npm/-/stage?page=0&perPage=100',
      '/npm/a/b/c/d',
      '/npm/-/package/@acme%2fmissing/dist-tags',
    ]) {
      const missing = await world.fetch(path)
      expect([path, missing.status, Object.keys(await json(missing))]).toEqual([path, 404, ['error']])
    }
  })

  it('refuses other verbs with those that are possible', async () => {
    const answer = await world.fetch('/npm/plain', { method: 'POST', body: '{}' })
    expect([answer.status, answer.headers.get('allow')]).toEqual([405, 'GET, HEAD, PUT'])
  })
})
