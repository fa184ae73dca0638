import { execFile } from 'node:child_process'
import { readdir, readFile, utimes, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import path from 'node:path'
import { promisify } from 'node:util'

import { expect, it } from 'vitest'

import { startDevpi, startPypiserver } from '../bench/peers.ts'
import { describeWith, have } from '../helpers/have.ts'
import { npmClient, publishFrom } from '../helpers/npm-client.ts'
import { json } from '../helpers/npm-world.ts'
import { pythonClient } from '../helpers/python-client.ts'
import { runDepot } from '../helpers/run-depot.ts'
import { tempDir } from '../helpers/temp-dir.ts'
import { startVerdaccio } from '../helpers/verdaccio.ts'
import { buildSdist, buildWheel } from '../helpers/wheel.ts'
import { startWorld } from '../helpers/world.ts'

async function imported(...args: readonly string[]): Promise<string> {
  const { status, stdout, stderr } = await runDepot(args)
  if (status !== 0) throw new Error(stdout + stderr)
  return stdout
}

describeWith(['verdaccio', 'npm'], 'e2e/move: a Verdaccio', () => {
  it('moves with what was published to it and what it had fetched, and projects install from their lock files', async () => {
    await using upstream = await startWorld()
    await using author = await npmClient('npm', `${upstream.url}/npm/`)
    for (const version of ['3.0.0', '3.1.0']) await publishFrom(author, { name: 'upstream-lib', version })
    await using verdaccio = await startVerdaccio(`${upstream.url}/npm/`)
    await using before = await npmClient('npm', verdaccio.url)
    const button = { name: '@acme/button', dependencies: { 'upstream-lib': '3.0.0' } }
    await publishFrom(before, { ...button, version: '1.0.0' })
    await publishFrom(before, { ...button, version: '1.1.0-rc.1' }, '--tag', 'next')
    await publishFrom(before, { ...button, version: '1.1.0' })
    const project = { name: 'app', version: '0.0.0', private: true, dependencies: { '@acme/button': '^1.0.0' } }
    const app = await before.folder('app', project)
    await before.run(app, 'deprecate', '@acme/button@1.0.0', 'use 1.1.0')
    await before.run(app, 'install')
    const was = await json(await fetch(`${verdaccio.url}@acme%2fbutton`))

    await using world = await startWorld()
    const said = await imported('npm', 'import', '--verdaccio', verdaccio.storage, world.url)
    expect(said).toMatch(/\nsent 4 \([^)]+\), 0 there already, 0 failed\n$/)
    const now = await json(await world.fetch('/npm/@acme%2fbutton'))
    expect(now['time']).toEqual(was['time'])
    expect(now['dist-tags']).toEqual(was['dist-tags'])
    expect(now['versions']).toMatchObject({ '1.0.0': { deprecated: 'use 1.1.0' } })

    await using after = await npmClient('npm', `${world.url}/npm/`)
    const again = await after.folder('app', project)
    const lock = await readFile(path.join(app, 'package-lock.json'), 'utf8')
    expect(lock).toContain(`${verdaccio.url}@acme/button/-/`)
    await writeFile(path.join(again, 'package-lock.json'), lock)
    await after.run(again, 'ci', '--replace-registry-host=always')
    const load = createRequire(path.join(again, 'index.js'))
    expect(load('@acme/button')).toBe('@acme/button@1.1.0')
    expect(createRequire(load.resolve('@acme/button'))('upstream-lib')).toBe('upstream-lib@3.0.0')
    const times = JSON.parse(await after.run(again, 'view', '@acme/button', 'time', '--json')) as unknown
    expect(times).toEqual(was['time'])
    await publishFrom(after, { ...button, version: '1.2.0' })
    expect(await after.run(again, 'view', '@acme/button', 'dist-tags.latest')).toContain('1.2.0')
    expect(world.bugs).toEqual([])
  }, 120_000)

  it('leaves out with --only-hosted what it had fetched', async () => {
    await using upstream = await startWorld()
    await using author = await npmClient('npm', `${upstream.url}/npm/`)
    await publishFrom(author, { name: 'upstream-lib', version: '3.0.0' })
    await using verdaccio = await startVerdaccio(`${upstream.url}/npm/`)
    await using client = await npmClient('npm', verdaccio.url)
    await publishFrom(client, { name: 'own-lib', version: '1.0.0' })
    const app = await client.folder('app', { name: 'app', private: true, dependencies: { 'upstream-lib': '3.0.0' } })
    await client.run(app, 'install')
    await using world = await startWorld()
    const said = await imported('npm', 'import', '--verdaccio', verdaccio.storage, world.url, '--only-hosted')
    expect(said).toMatch(/^sent own-lib@1\.0\.0\nsent 1 /)
    expect((await world.fetch('/npm/upstream-lib')).status).toBe(404)
  }, 120_000)
})

const YEARS_AGO = new Date('2020-02-02T02:02:02Z')

describeWith(['pypiserver', 'twine', 'pip', 'python'], 'e2e/move: a pypiserver', () => {
  it('moves with the dates of its files, which pip asks for', async () => {
    await using client = await pythonClient()
    await using folder = await tempDir('pypiserver')
    const [old, young] = [
      buildWheel({ name: 'My.Demo', version: '1.0' }),
      buildWheel({ name: 'My.Demo', version: '2.0' }),
    ]
    const files = await client.save(old, buildSdist({ name: 'My.Demo', version: '1.0' }), young)
    {
      await using server = await startPypiserver(folder.path)
      const upload = ['upload', '--disable-progress-bar', '-u', 'any', '-p', 'any', '--repository-url', server.url]
      await client.ok(have.paths.twine, [...upload, ...files])
    }
    for (const file of await readdir(folder.path)) {
      if (!file.includes('2.0')) await utimes(folder.join(file), YEARS_AGO, YEARS_AGO)
    }
    await using world = await startWorld()
    expect(await imported('python', 'import', folder.path, world.url)).toContain('sent 3 (')
    const download = [
      'download',
      '--no-deps',
      '--index-url',
      `${world.url}/python/simple/`,
      '--dest',
      client.join('dist2'),
    ]
    await client.ok(have.paths.pip, [...download, '--uploaded-prior-to', '2021-01-01T00:00:00Z', 'my-demo'])
    expect(await readdir(client.join('dist2'))).toEqual([old.filename])
    await client.ok(have.paths.pip, [...download, 'my-demo'])
    expect(await readdir(client.join('dist2'))).toContain(young.filename)
  }, 60_000)
})

describeWith(['pip', 'python'], 'e2e/move: a wheelhouse', () => {
  it('that pip downloaded from one depot fills another', async () => {
    await using one = await startWorld()
    await using other = await startWorld()
    await using client = await pythonClient()
    for (const built of [
      buildWheel({ name: 'lib', version: '1.0' }),
      buildWheel({ name: 'app', version: '1.0', requires: ['lib'] }),
    ]) {
      const [project = ''] = built.filename.split('-')
      const put = { method: 'PUT', body: Uint8Array.from(built.bytes) }
      expect((await one.fetch(`/python/${project}/${built.filename}`, put)).status).toBe(201)
    }
    const house = client.join('house')
    await client.ok(have.paths.pip, ['download', '--index-url', `${one.url}/python/simple/`, '--dest', house, 'app'])
    expect(await imported('python', 'import', house, other.url)).toContain('sent 2 (')
    const install = ['install', '--index-url', `${other.url}/python/simple/`, '--target', client.join('target'), 'app']
    expect(await client.ok(have.paths.pip, install)).toContain('Successfully installed app-1.0 lib-1.0')
  }, 60_000)
})

describeWith(['devpi', 'twine', 'pip', 'python'], 'e2e/move: a devpi', () => {
  it('moves by its export, with the times of its uploads', async () => {
    await using client = await pythonClient()
    await using folder = await tempDir('devpi')
    const wheel = buildWheel({ name: 'My.Demo', version: '1.0' })
    {
      await using server = await startDevpi(folder.path)
      const upload = [
        'upload',
        '--disable-progress-bar',
        '-u',
        'root',
        '-p',
        'secret',
        '--repository-url',
        `${await server.index('dev')}/`,
      ]
      await client.ok(have.paths.twine, [...upload, ...(await client.save(wheel))])
    }
    const uploaded = Date.now()
    const exporter = path.join(path.dirname(have.paths.devpi), 'devpi-export')
    await promisify(execFile)(exporter, ['--serverdir', folder.join('server'), folder.join('export')])
    const [file = ''] = (await readdir(folder.join('export'), { recursive: true })).filter((name) =>
      name.endsWith('.whl'),
    )
    await utimes(folder.join('export', file), YEARS_AGO, YEARS_AGO)
    await using world = await startWorld()
    expect(await imported('python', 'import', folder.join('export', 'root', 'dev'), world.url)).toContain('sent 1 (')
    const headers = { Accept: 'application/vnd.pypi.simple.v1+json' }
    const page = await json(await world.fetch('/python/simple/my-demo/', { headers }))
    expect(page['files']).toMatchObject([{ filename: wheel.filename, hashes: { sha256: wheel.sha256 } }])
    const [{ 'upload-time': time = '' } = {}] = page['files'] as Record<string, string>[]
    expect(Math.abs(Date.parse(time) - uploaded)).toBeLessThan(60_000)
  }, 180_000)
})
