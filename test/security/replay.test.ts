import { describe, expect, it } from 'vitest'

import { loginFor, makeLoginKey } from '../helpers/forged-logins.ts'
import { describeWith } from '../helpers/have.ts'
import { reserveNginx } from '../helpers/nginx.ts'
import { createDatabase } from '../helpers/postgres-database.ts'
import { rawRequest } from '../helpers/raw-http.ts'
import { startServerProcess } from '../helpers/server-process.ts'
import { tempDir } from '../helpers/temp-dir.ts'
import { buildWheel } from '../helpers/wheel.ts'
import { startWorld } from '../helpers/world.ts'
import { writeFile } from 'node:fs/promises'

const key = makeLoginKey()
const wheel = buildWheel({ name: 'demo', version: '1.0' })
const PATH = `/python/demo/${wheel.filename}`

async function put(url: string, login: string, path = PATH, method = 'PUT'): Promise<number> {
  const headers = { Authorization: `Bearer ${login}` }
  return (await rawRequest(url, { method, path, headers, body: wheel.bytes })).status
}

describe('a login for one change', () => {
  it('has one winner when it is sent twenty times at once, and none afterwards', async () => {
    await using world = await startWorld({ authFile: `w ${key.line}` })
    const login = loginFor(key, world.url, 'PUT', PATH)
    const statuses = await Promise.all(Array.from({ length: 20 }, () => put(world.url, login)))
    expect(statuses.filter((status) => status !== 401)).toEqual([201])
    expect(await put(world.url, login)).toBe(401)
  })

  it('is good for its own method and path only, and is not used up by others', async () => {
    await using world = await startWorld({ authFile: `w ${key.line}` })
    const login = loginFor(key, world.url, 'PUT', PATH)
    expect(await put(world.url, login, '/python/other/other-1.0-py3-none-any.whl')).toBe(401)
    expect(await put(world.url, login, `/python/simple/demo/${wheel.filename}`)).toBe(401)
    expect(await put(world.url, login, '/python/legacy/', 'POST')).toBe(401)
    expect(await put(world.url, login, '/-/tokens', 'POST')).toBe(401)
    expect(await put(world.url, login, '/-/tokens/AAAAAAAAAAAA', 'DELETE')).toBe(401)
    expect(await put(world.url, login)).toBe(201)
  })

  it('for reading is for GET or for HEAD', async () => {
    await using world = await startWorld({ authFile: `w ${key.line}`, settings: { 'read-auth': 'always' } })
    const status = async (htm: string, method: string) => {
      const headers = { Authorization: `Bearer ${loginFor(key, world.url, htm, '/nix/nix-cache-info')}` }
      return (await rawRequest(world.url, { method, path: '/nix/nix-cache-info', headers })).status
    }
    expect(await Promise.all([status('GET', 'GET'), status('HEAD', 'HEAD')])).toEqual([200, 200])
    expect(await Promise.all([status('GET', 'HEAD'), status('HEAD', 'GET'), status('PUT', 'GET')])).toEqual([
      401, 401, 401,
    ])
  })

  it.each(['/npm/@s%2fname', '/npm/@s%2Fname', '/npm/@s/name', '/npm/%40s/name'])(
    'means the same path however it is encoded: %s',
    async (signed) => {
      await using world = await startWorld({ authFile: `w ${key.line}` })
      for (const sent of ['/npm/@s%2fname', '/npm/@s/name', '/npm/%40s%2Fname'])
        expect(await put(world.url, loginFor(key, world.url, 'PUT', signed), sent)).toBe(400)
      expect(await put(world.url, loginFor(key, world.url, 'PUT', signed), '/npm/@s/other')).toBe(401)
      expect(
        await put(world.url, loginFor(key, world.url, 'PUT', signed.replaceAll('%', '%25')), '/npm/@s%2fname'),
      ).toBe(signed.includes('%') ? 401 : 400)
    },
  )

  it('survives a server that starts again: it was used before', async () => {
    await using dir = await tempDir('auth')
    await writeFile(dir.join('keys'), `w ${key.line}\n`)
    const options = {
      args: ['--auth-file', dir.join('keys'), '--audience', 'http://depot.test'],
      dataDir: dir.join('data'),
    }
    const login = loginFor(key, 'http://depot.test', 'PUT', PATH)
    {
      await using first = await startServerProcess(options)
      expect(await put(first.url, login)).toBe(201)
      await first.stop('SIGKILL')
    }
    await using second = await startServerProcess(options)
    expect(await put(second.url, login)).toBe(401)
  })
})

describeWith('postgres', 'a login that is sent to two servers of one database', () => {
  it('has one winner, also when both get it ten times at once', async () => {
    await using database = await createDatabase()
    await using dir = await tempDir('auth')
    await writeFile(dir.join('keys'), `w ${key.line}\n`)
    const args = ['--auth-file', dir.join('keys'), '--audience', 'http://depot.test', '--database-url', database.url]
    const options = { args, dataDir: dir.join('data') }
    await using one = await startServerProcess(options)
    await using two = await startServerProcess(options)
    const once = loginFor(key, 'http://depot.test', 'PUT', PATH)
    expect([await put(one.url, once), await put(two.url, once)]).toEqual([201, 401])
    const login = loginFor(key, 'http://depot.test', 'PUT', PATH)
    const statuses = await Promise.all(
      Array.from({ length: 20 }, (_, index) => put(index % 2 === 0 ? one.url : two.url, login)),
    )
    expect(statuses.filter((status) => status !== 401)).toEqual([200])
  })
})

describeWith('nginx', 'a login that comes through a reverse proxy which takes a prefix away', () => {
  it('names the path in front of it, and is good for no other', async () => {
    await using front = await reserveNginx()
    const publicUrl = `${front.url}/team/depot`
    await using world = await startWorld({ authFile: `w ${key.line}`, settings: { 'public-url': publicUrl } })
    await front.start(`location /team/depot/ { proxy_pass ${world.url}/; proxy_set_header Host $http_host; }`)
    const shown = (htu: string, path = `/team/depot${PATH}`) =>
      put(front.url, loginFor(key, front.url, 'PUT', htu), path)
    expect(await shown(PATH)).toBe(401)
    expect(await shown(`/team/other${PATH}`)).toBe(401)
    expect(await shown(`/team/depot/team/depot${PATH}`)).toBe(401)
    expect(await shown(`/team/depot${PATH}`)).toBe(201)
    // nginx decodes the path, and encodes it again in its own way.
    for (const name of ['@s%2fname', '@s%2Fname', '@s/name', '%40s%2fname'])
      expect(await shown(`/team/depot/npm/${name}`, `/team/depot/npm/${name}`)).toBe(400)
    expect(await shown('/team/depot/npm/@s%2fname', '/team/depot/npm/@s/other')).toBe(401)
  })
})
