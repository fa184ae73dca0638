import assert from 'node:assert/strict'

import { afterAll, beforeAll, describe, expect, it } from 'vitest'

import { startGuardedWorld, type GuardedWorld } from '../helpers/guarded-world.ts'
import { describeWith, have } from '../helpers/have.ts'
import { type PythonClient, pythonClient } from '../helpers/python-client.ts'
import { uploadForm } from '../helpers/python-upload.ts'
import { buildWheel } from '../helpers/wheel.ts'

const { python: PYTHON, pip: PIP, pipOld: PIP_OLD, uv: UV, twine: TWINE } = have.paths

const LIB = buildWheel({ name: 'in-lib', version: '1.0' })
const APP = buildWheel({ name: 'in-app', version: '1.0', requires: ['in-lib'] })
const OTHER = buildWheel({ name: 'out-lib', version: '1.0' })
const IN_SCOPE = buildWheel({ name: 'in-new', version: '1.0' })
const OUT_OF_SCOPE = buildWheel({ name: 'out-new', version: '1.0' })

/** A way of telling a client an address and a token; returns what is to be added to its environment. */
type Way = (client: PythonClient, url: string, token: string) => Promise<Record<string, string>>

interface Installer {
  readonly name: string
  readonly part: 'pip' | 'pipOld' | 'uv'
  readonly command: readonly [string, ...string[]]
  readonly ways: Readonly<Record<string, Way>>
  /** What it prints when its credentials are missing. */
  readonly unauthenticated: RegExp
}

const PIP_WAYS: Installer['ways'] = {
  'a netrc': async (client, url, token) => {
    await writeNetrc(client, token)
    return { PIP_INDEX_URL: url }
  },
  'credentials in the URL': async (_client, url, token) => ({ PIP_INDEX_URL: withUserinfo(url, token) }),
  'credentials in the URL of a pip.conf': async (client, url, token) => ({
    PIP_CONFIG_FILE: await client.write('pip.conf', `[global]\nindex-url = ${withUserinfo(url, token)}\n`),
  }),
}
const UV_WAYS: Installer['ways'] = {
  'a netrc': async (client, url, token) => {
    await writeNetrc(client, token)
    return { UV_DEFAULT_INDEX: url }
  },
  'credentials in the URL': async (_client, url, token) => ({ UV_DEFAULT_INDEX: withUserinfo(url, token) }),
  'variables of a named index': async (_client, url, token) => ({
    UV_DEFAULT_INDEX: `depot=${url}`,
    UV_INDEX_DEPOT_USERNAME: 'depot',
    UV_INDEX_DEPOT_PASSWORD: token,
  }),
}
// pip says no more than this of a 401.
const PIP_NOT_FOUND = /No matching distribution found/
const INSTALLERS: readonly Installer[] = [
  { name: 'pip', part: 'pip', command: [PIP, 'install'], ways: PIP_WAYS, unauthenticated: PIP_NOT_FOUND },
  { name: 'pip 21.3', part: 'pipOld', command: [PIP_OLD, 'install'], ways: PIP_WAYS, unauthenticated: PIP_NOT_FOUND },
  {
    name: 'uv',
    part: 'uv',
    command: [UV, 'pip', 'install', '--python', PYTHON],
    ways: UV_WAYS,
    unauthenticated: /could not be queried due to a lack of valid authentication credentials \(401/,
  },
]

describe('e2e/auth: at a depot where reads need credentials', () => {
  let world: GuardedWorld
  let index: string
  let legacy: string
  let reader: string

  beforeAll(async () => {
    world = await startGuardedWorld({ reads: 'closed' })
    index = `${world.url}/python/simple/`
    legacy = `${world.url}/python/legacy/`
    reader = await world.token('python:read:*')
    const writer = await world.token('python:write:*')
    for (const file of [LIB, APP, OTHER]) {
      const { contentType, body } = uploadForm(file)
      const headers = { ...bearer(writer), 'Content-Type': contentType }
      const answer = await world.fetch('/python/legacy/', { method: 'POST', headers, body: Uint8Array.from(body) })
      assert.equal(answer.status, 200)
    }
  })
  afterAll(() => world[Symbol.asyncDispose]())

  for (const { name, part, command, ways, unauthenticated } of INSTALLERS) {
    describeWith([part, 'python'], name, () => {
      const [program, ...args] = command

      function install(client: PythonClient, project: string, env: Record<string, string>) {
        return client.run(program, [...args, '--target', client.join('target'), project], env)
      }

      it.each(Object.entries(ways))('installs with %s, dependencies too', async (_name, way) => {
        await using client = await pythonClient()
        expect(await install(client, 'in-app', await way(client, index, reader))).toMatchObject({ status: 0 })
        const code = 'import in_app, in_lib; print(in_app.VALUE, in_lib.VALUE)'
        expect(await client.ok(PYTHON, ['-c', code], { PYTHONPATH: client.join('target') })).toBe('1.0 1.0\n')
      })

      it('installs within the scope of its token, and nothing else', async () => {
        const scoped = await world.token('python:read:in-*')
        await using client = await pythonClient()
        const env = { ...(await ways['credentials in the URL']?.(client, index, scoped)) }
        expect(await install(client, 'in-app', env)).toMatchObject({ status: 0 })
        const [hidden, absent] = await Promise.all(['out-lib', 'absent'].map((each) => install(client, each, env)))
        expect(hidden?.status).not.toBe(0)
        expect(hidden?.output.replaceAll('out-lib', 'absent')).toBe(absent?.output)
      })

      it('says what it says without credentials', async () => {
        await using client = await pythonClient()
        const { status, output } = await install(client, 'in-app', { PIP_INDEX_URL: index, UV_DEFAULT_INDEX: index })
        expect(status).not.toBe(0)
        expect(output).toMatch(unauthenticated)
      })
    })
  }

  it('gives metadata and files to those only who may read them', async () => {
    const scoped = await world.token('python:read:out-*')
    const basic = (token: string) => ({
      Authorization: `Basic ${Buffer.from(`__token__:${token}`).toString('base64')}`,
    })
    for (const path of [`/python/files/in-lib/${LIB.filename}.metadata`, `/python/files/in-lib/${LIB.filename}`]) {
      expect((await world.fetch(path, { headers: basic(reader) })).status).toBe(200)
      expect((await world.fetch(path, { headers: basic(scoped) })).status).toBe(404)
      const anonymous = await world.fetch(path)
      expect(anonymous.status).toBe(401)
      // pip and curl answer to the first of the challenges.
      expect(anonymous.headers.get('www-authenticate')).toMatch(/^Basic /)
    }
  })

  for (const { name, part, ways, refused } of publishers()) {
    describeWith(part, name, () => {
      it.each(Object.entries(ways))('uploads with %s', async (_name, upload) => {
        await using client = await pythonClient()
        const token = await world.token('python:write:in-*')
        const { status, output } = await upload(client, legacy, token, await client.save(IN_SCOPE))
        expect(output).not.toContain(token)
        expect(status).toBe(0)
      })

      it.each([
        ['only reads', () => world.token('python:read:*'), 'your credentials do not permit this'],
        ['writes other projects', () => world.token('python:write:in-*'), 'your credentials do not permit this'],
        ['is not good', () => Promise.resolve('dpt_nonsense'), 'good credentials are needed here'],
      ])('is told why a token that %s does not upload', async (_name, makeToken, sentence) => {
        await using client = await pythonClient()
        const { status, output } = await refused(client, legacy, await makeToken(), await client.save(OUT_OF_SCOPE))
        expect(status).not.toBe(0)
        expect(output).toContain(sentence)
        expect((await world.fetch('/python/simple/out-new/', { headers: bearer(reader) })).status).toBe(404)
      })
    })
  }

  it('meets no bug of the depot', () => {
    expect(world.bugs).toEqual([])
  })
})

type Upload = (
  client: PythonClient,
  url: string,
  token: string,
  files: readonly string[],
) => ReturnType<PythonClient['run']>

interface Publisher {
  readonly name: string
  readonly part: 'twine' | 'uv'
  readonly ways: Readonly<Record<string, Upload>>
  /** An upload that shows what the depot said. */
  readonly refused: Upload
}

function publishers(): readonly Publisher[] {
  const byVariables: Upload = (client, url, token, files) =>
    client.run(TWINE, ['upload', '--verbose', '--disable-progress-bar', ...files], {
      TWINE_REPOSITORY_URL: url,
      TWINE_USERNAME: '__token__',
      TWINE_PASSWORD: token,
    })
  const byToken: Upload = (client, url, token, files) =>
    client.run(UV, ['publish', ...files], { UV_PUBLISH_URL: url, UV_PUBLISH_TOKEN: token })
  return [
    {
      name: 'twine',
      part: 'twine',
      ways: {
        'its variables': byVariables,
        options: (client, url, token, files) =>
          client.run(TWINE, ['upload', '--repository-url', url, '-u', '__token__', '-p', token, ...files]),
        'a .pypirc': async (client, url, token, files) => {
          const section = `[depot]\nrepository = ${url}\nusername = __token__\npassword = ${token}\n`
          await client.write('.pypirc', `[distutils]\nindex-servers = depot\n\n${section}`)
          return client.run(TWINE, ['upload', '-r', 'depot', ...files])
        },
      },
      // Without --verbose it prints the status alone.
      refused: byVariables,
    },
    {
      name: 'uv publish',
      part: 'uv',
      ways: {
        UV_PUBLISH_TOKEN: byToken,
        'a netrc': async (client, url, token, files) => {
          await writeNetrc(client, token)
          // Without a token it would first look, for seconds, whether this is a CI that vouches for it.
          return client.run(UV, ['publish', '--trusted-publishing', 'never', ...files], { UV_PUBLISH_URL: url })
        },
        'credentials in the URL': (client, url, token, files) =>
          client.run(UV, ['publish', ...files], { UV_PUBLISH_URL: withUserinfo(url, token) }),
      },
      refused: byToken,
    },
  ]
}

function withUserinfo(url: string, token: string): string {
  return url.replace('://', `://depot:${token}@`)
}

function bearer(token: string): Record<string, string> {
  return { Authorization: `Bearer ${token}` }
}

function writeNetrc(client: PythonClient, token: string): Promise<string> {
  return client.write('.netrc', `machine 127.0.0.1 login depot password ${token}\n`)
}
