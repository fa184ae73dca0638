import assert from 'node:assert/strict'

import { afterAll, beforeAll, describe, expect, it } from 'vitest'

import { describeWith, have } from '../helpers/have.ts'
import { type PythonClient, pythonClient } from '../helpers/python-client.ts'
import { postForm, uploadForm } from '../helpers/python-upload.ts'
import { type ServerProcess, startServerProcess } from '../helpers/server-process.ts'
import { type BuiltFile, buildSdist, buildWheel, moduleName } from '../helpers/wheel.ts'

const { python: PYTHON, pip: PIP, pipOld: PIP_OLD, uv: UV, twine: TWINE } = have.paths
const UNIX = 'py3-none-manylinux_2_17_x86_64.manylinux_2_17_aarch64.macosx_10_9_x86_64.macosx_11_0_arm64'

const LOCAL = buildWheel({ name: 'My.Pkg_x', version: '1.0+local', requiresPython: '>=3.6', value: 'the local build' })
const APP = buildWheel({ name: 'my-app', version: '2.0', requires: ['My.Pkg_x>=1.0', 'native'] })
const SOURCE = buildSdist({ name: 'only-source', version: '0.3', requires: ['native'] })
const NATIVE = [
  buildWheel({ name: 'native', version: '1.0', tag: UNIX, value: 'unix' }),
  buildWheel({ name: 'native', version: '1.0', tag: 'py3-none-win_amd64', value: 'windows' }),
  buildSdist({ name: 'native', version: '1.0', value: 'source' }),
]
const FUTURE = buildWheel({ name: 'native', version: '2.0', requiresPython: '>=99' })
const ALL = [LOCAL, APP, SOURCE, ...NATIVE, FUTURE]

interface Installer {
  readonly name: string
  readonly part: 'pip' | 'pipOld' | 'uv'
  /** Install requirements into `target`. */
  install(client: PythonClient, index: string, target: string, args: readonly string[]): Promise<string>
}

const INSTALLERS: readonly Installer[] = [
  { name: 'pip', part: 'pip', install: pipInstall(PIP) },
  { name: 'pip 21.3, which reads HTML only', part: 'pipOld', install: pipInstall(PIP_OLD) },
  {
    name: 'uv',
    part: 'uv',
    install: (client, index, target, args) =>
      client.ok(UV, ['pip', 'install', '--python', PYTHON, '--target', target, ...args], { UV_DEFAULT_INDEX: index }),
  },
]

function pipInstall(pip: string): Installer['install'] {
  return (client, index, target, args) =>
    client.ok(pip, ['install', '--target', target, ...args], { PIP_INDEX_URL: index })
}

for (const { name, part, install } of INSTALLERS) {
  describeWith([part, 'python'], `e2e/python: ${name} installs`, () => {
    let server: ServerProcess | undefined

    beforeAll(async () => {
      server = await startServerProcess()
      for (const file of ALL) assert.equal((await postForm(server.url, uploadForm(file))).status, 200)
    })
    // Undefined when it did not start: that failure is the one to show.
    afterAll(() => server?.[Symbol.asyncDispose]())

    async function installed(
      args: readonly string[],
      modules: readonly string[],
      path = '/python/simple/',
    ): Promise<string[]> {
      await using client = await pythonClient()
      const target = client.join('target')
      const list = await client.write('requirements.txt', args.filter((arg) => !arg.startsWith('-')).join('\n'))
      await install(client, (server?.url ?? '') + path, target, [
        ...args.filter((arg) => arg.startsWith('-')),
        '-r',
        list,
      ])
      const values = modules.map((module) => `__import__(${JSON.stringify(module)}).VALUE`)
      const output = await client.ok(PYTHON, ['-c', `print(*[${values.join(', ')}], sep="\\n")`], {
        PYTHONPATH: target,
      })
      return output.trim().split('\n')
    }

    it('a package with its dependencies: an un-normalised name, a local version, the wheel for this platform', async () => {
      expect(await installed(['my-app'], ['my_app', 'my_pkg_x', 'native'])).toEqual(['2.0', 'the local build', 'unix'])
    })

    it('a name in whichever spelling, and exactly a local version', async () => {
      expect(await installed(['MY_pkg.X==1.0+local'], ['my_pkg_x'])).toEqual(['the local build'])
    })

    it('an sdist, built on the spot, with what it depends on', async () => {
      expect(await installed(['only-source'], ['only_source', 'native'])).toEqual(['0.3', 'unix'])
    })

    it('the sdist of a version that has wheels, when told to', async () => {
      expect(await installed(['--no-binary=native', 'native'], ['native'])).toEqual(['source'])
    })

    it('nothing that is for another Python', async () => {
      await expect(installed(['native==2.0'], ['native'])).rejects.toThrow(/native/)
      expect(await installed(['native'], ['native'])).toEqual(['unix'])
    })

    it('what a requirements file pins by hash, and refuses another hash', async () => {
      const pins = (files: readonly BuiltFile[]) =>
        files.map(({ filename, sha256 }) => `${filename.split('-').slice(0, 2).join('==')} --hash=sha256:${sha256}`)
      const [unix] = NATIVE
      if (unix === undefined) throw new Error('no wheel')
      expect(await installed(['--require-hashes', ...pins([APP, LOCAL, unix])], ['my_app'])).toEqual(['2.0'])
      await expect(
        installed(['--require-hashes', ...pins([{ ...LOCAL, sha256: '0'.repeat(64) }])], ['my_pkg_x']),
      ).rejects.toThrow(/hash/i)
    })

    it('from the mount without /simple, as the seed says', async () => {
      expect(await installed(['my-app'], ['my_app', 'native'], '/python/')).toEqual(['2.0', 'unix'])
    })

    it('nothing that is not there, and says so', async () => {
      await expect(installed(['absent'], ['absent'])).rejects.toThrow(/absent/)
    })
  })
}

describeWith(['pip', 'pipOld', 'uv', 'python'], 'e2e/python: a second installation', () => {
  it.each(INSTALLERS)('with $name revalidates its cached pages and fetches no file again', async ({ install }) => {
    await using server = await startServerProcess()
    for (const file of [LOCAL, APP, ...NATIVE]) await postForm(server.url, uploadForm(file))
    await using client = await pythonClient()
    const requests = () => server.logs().match(/"method":"GET","path":"[^"]+","status":\d+/g) ?? []
    const index = `${server.url}/python/simple/`
    await install(client, index, client.join('first'), ['my-app'])
    // Lines are written in batches: a request of our own, behind all of the client's, shows that they are all there.
    await fetch(`${server.url}/healthz`)
    await expect.poll(() => requests().at(-1)).toContain('/healthz')
    const before = requests().length
    await install(client, index, client.join('second'), ['my-app'])
    await fetch(`${server.url}/healthz`)
    await expect.poll(() => requests().slice(before).at(-1)).toContain('/healthz')
    const again = requests().slice(before, -1)
    expect(again.length).toBeGreaterThanOrEqual(3)
    expect(again.filter((line) => !line.includes('/python/simple/'))).toEqual([])
    expect(again.filter((line) => !line.endsWith('"status":304'))).toEqual([])
  })
})

describeWith(['pip', 'uv', 'python'], 'e2e/python: cool-down policies', () => {
  it('find an upload time on every file', async () => {
    await using server = await startServerProcess()
    await postForm(server.url, uploadForm(LOCAL))
    await using client = await pythonClient()
    const index = `${server.url}/python/simple/`
    const uv = (date: string) =>
      client.run(
        UV,
        ['pip', 'install', '--python', PYTHON, '--target', client.join('uv'), '--exclude-newer', date, 'my-pkg-x'],
        {
          UV_DEFAULT_INDEX: index,
        },
      )
    const pip = (date: string) =>
      client.run(PIP, ['install', '--target', client.join('pip'), '--uploaded-prior-to', date, 'my-pkg-x'], {
        PIP_INDEX_URL: index,
      })
    const tomorrow = new Date(Date.now() + 86_400_000).toISOString()
    for (const install of [uv, pip]) {
      const early = await install('2020-01-01T00:00:00Z')
      expect(early.status).not.toBe(0)
      expect(early.output).not.toContain('does not provide upload-time')
      expect((await install(tomorrow)).output).not.toMatch(/error/i)
      expect((await install(tomorrow)).status).toBe(0)
    }
  })
})

interface Publisher {
  readonly name: string
  readonly part: 'twine' | 'uv'
  publish(client: PythonClient, url: string, files: readonly string[]): ReturnType<PythonClient['run']>
}

const PUBLISHERS: readonly Publisher[] = [
  {
    name: 'twine',
    part: 'twine',
    publish: (client, url, files) =>
      client.run(TWINE, ['upload', '--disable-progress-bar', '--verbose', ...files], {
        TWINE_REPOSITORY_URL: url,
        TWINE_USERNAME: '__token__',
        TWINE_PASSWORD: 'any',
      }),
  },
  {
    name: 'uv publish',
    part: 'uv',
    publish: (client, url, files) =>
      client.run(UV, ['publish', ...files], { UV_PUBLISH_URL: url, UV_PUBLISH_TOKEN: 'any' }),
  },
]

for (const { name, part, publish } of PUBLISHERS) {
  describeWith([part, 'pip', 'python'], `e2e/python: ${name}`, () => {
    it.each(['/python/legacy/', '/python/simple'])('fills the depot at %s, and pip installs from it', async (path) => {
      await using server = await startServerProcess()
      await using client = await pythonClient()
      const published = await publish(client, server.url + path, await client.save(...ALL))
      expect(published).toMatchObject({ status: 0 })
      await pipInstall(PIP)(client, `${server.url}/python/simple/`, client.join('target'), ['my-app', 'only-source'])
      const page = await fetch(`${server.url}/python/simple/native/`)
      expect((await page.text()).match(/<a /g)).toHaveLength(4)
    })

    it('may send the same files again, and is told why other bytes are refused', async () => {
      await using server = await startServerProcess()
      await using client = await pythonClient()
      const url = `${server.url}/python/legacy/`
      expect(await publish(client, url, await client.save(LOCAL, SOURCE))).toMatchObject({ status: 0 })
      expect(await publish(client, url, await client.save(LOCAL, SOURCE))).toMatchObject({ status: 0 })
      const other = buildWheel({ name: 'My.Pkg_x', version: '1.0+local', value: 'other' })
      const refused = await publish(client, url, await client.save(other))
      expect(refused.status).not.toBe(0)
      expect(refused.output).toContain('File already exists')
    })
  })
}

describeWith(['uv', 'python'], 'e2e/python: uv publish --check-url', () => {
  it('skips what is there', async () => {
    await using server = await startServerProcess()
    await using client = await pythonClient()
    const files = await client.save(LOCAL)
    const env = { UV_PUBLISH_URL: `${server.url}/python/legacy/`, UV_PUBLISH_TOKEN: 'any' }
    const args = ['publish', '--check-url', `${server.url}/python/simple/`, ...files]
    await client.ok(UV, args, env)
    expect(await client.ok(UV, args, env)).toContain('already exists')
  })
})

describe('the fixtures', () => {
  it('are named as uv wants them, which skips others without an error', () => {
    for (const { filename } of ALL) expect(filename).toMatch(/^[a-z0-9_]+-/)
    expect(moduleName('My.Pkg_x')).toBe('my_pkg_x')
  })
})
