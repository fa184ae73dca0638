import { readFile, rm } from 'node:fs/promises'
import { createRequire } from 'node:module'
import path from 'node:path'

import { afterAll, beforeAll, describe, expect, it } from 'vitest'

import { startForwardProxy, type ForwardProxy } from '../../src/node/forward-proxy.ts'
import { startGate, type Gate } from '../helpers/gate.ts'
import { describeWith, have } from '../helpers/have.ts'
import { closureExpression, nixClientOf } from '../helpers/nix-client.ts'
import { npmClient, publishFrom } from '../helpers/npm-client.ts'
import { pythonClient } from '../helpers/python-client.ts'
import { buildWheel } from '../helpers/wheel.ts'
import { startWorld, type World } from '../helpers/world.ts'

const CREDENTIALS = 'Bearer dpt_for_the_proxy_only'

let world: World
let gate: Gate
let proxy: ForwardProxy

// Nothing of the depot can be had without what only the proxy knows: whatever a client gets, it got through the proxy.
beforeAll(async () => {
  world = await startWorld()
  gate = await startGate(world.url, CREDENTIALS)
  proxy = await startForwardProxy({
    target: new URL(gate.url),
    listen: { host: '127.0.0.1', port: 0 },
    credentials: { authorization: () => CREDENTIALS },
  })
})
afterAll(async () => {
  await proxy[Symbol.asyncDispose]()
  await gate[Symbol.asyncDispose]()
  await world[Symbol.asyncDispose]()
})

for (const part of ['nix', 'nixNew'] as const)
  describeWith(part, `e2e/proxy: ${part}`, () => {
    it.each(['xz', 'zstd', 'none'])(
      'copies a closure there with compression=%s, and back',
      async (compression) => {
        await using pusher = await nixClientOf(part)
        const [top = ''] = await pusher.build(closureExpression(8, `proxy-${compression}`))
        await pusher.push(`${proxy.url}/nix?compression=${compression}`, top)
        await using puller = await nixClientOf(part, world.publicKey)
        await puller.pull(`${proxy.url}/nix`, top)
        expect((await puller.run('store verify', '-r', top)).match(/^checking /gm)).toHaveLength(8)
      },
      120_000,
    )
  })

const LIB = { name: 'proxied-lib', version: '1.0.0' }
const BUTTON = { name: '@proxied/button', version: '1.0.0', dependencies: { 'proxied-lib': '^1.0.0' } }
const APP = { name: 'app', version: '0.0.0', dependencies: { '@proxied/button': '1.0.0' } }

function expectInstalled(folder: string): void {
  const load = createRequire(path.join(folder, 'index.js'))
  expect(load('@proxied/button')).toBe('@proxied/button@1.0.0')
  expect(createRequire(load.resolve('@proxied/button'))('proxied-lib')).toBe('proxied-lib@1.0.0')
}

describeWith('npm', 'e2e/proxy: packages', () => {
  beforeAll(async () => {
    await using npm = await npmClient('npm', `${proxy.url}/npm/`)
    for (const own of [LIB, BUTTON]) await publishFrom(npm, own)
  })

  describe.each(['/npm/', '/'])('from a registry at %s', (mount) => {
    it('are installed by npm, which then names the proxy in its lockfile and installs from that', async () => {
      await using npm = await npmClient('npm', proxy.url + mount)
      const app = await npm.folder('app', APP)
      await npm.run(app, 'install')
      expectInstalled(app)
      const lock = await readFile(path.join(app, 'package-lock.json'), 'utf8')
      expect(lock).toContain(`"${proxy.url}${mount}proxied-lib/-/proxied-lib-1.0.0.tgz"`)
      expect(lock).not.toContain(gate.url)
      await rm(path.join(app, 'node_modules'), { recursive: true })
      await npm.run(app, 'ci')
      expectInstalled(app)
    })
  })

  it('leave no address in the lockfile of an npm that is told so', async () => {
    await using npm = await npmClient('npm', `${proxy.url}/npm/`)
    const app = await npm.folder('app', APP)
    await npm.run(app, 'install', '--omit-lockfile-registry-resolved')
    expect(await readFile(path.join(app, 'package-lock.json'), 'utf8')).not.toContain('127.0.0.1')
    await rm(path.join(app, 'node_modules'), { recursive: true })
    await npm.run(app, 'ci')
    expectInstalled(app)
  })

  it('are installed from a lockfile that names the depot itself, when npm may replace its host', async () => {
    await using npm = await npmClient('npm', `${proxy.url}/npm/`)
    const entry = (name: string, more: object = {}): object => ({
      version: '1.0.0',
      resolved: `${gate.url}/npm/${name}/-/${name.replace(/^.*\//, '')}-1.0.0.tgz`,
      ...more,
    })
    const packages = {
      '': APP,
      'node_modules/@proxied/button': entry(BUTTON.name, { dependencies: BUTTON.dependencies }),
      'node_modules/proxied-lib': entry(LIB.name),
    }
    const lock = JSON.stringify({ name: 'app', version: '0.0.0', lockfileVersion: 3, packages })
    const app = await npm.folder('app', APP, { 'package-lock.json': lock })
    await npm.run(app, 'ci', '--replace-registry-host=always')
    expectInstalled(app)
  })
})

for (const client of ['pnpm', 'pnpmOld'] as const) {
  describeWith(['npm', client], `e2e/proxy: ${client}`, () => {
    it('publishes and installs, with no address in its lockfile', async () => {
      await using pnpm = await npmClient(client, `${proxy.url}/npm/`)
      const own = { name: `proxied-${client.toLowerCase()}`, version: '1.0.0' }
      await publishFrom(pnpm, own, '--no-git-checks')
      const app = await pnpm.folder('app', { name: 'app', version: '0.0.0', dependencies: { [own.name]: '1.0.0' } })
      await pnpm.run(app, 'install')
      expect(createRequire(path.join(app, 'index.js'))(own.name)).toBe(`${own.name}@1.0.0`)
      expect(await readFile(path.join(app, 'pnpm-lock.yaml'), 'utf8')).not.toContain('127.0.0.1')
    })
  })
}

for (const [client, ...options] of [['npm12'], ['yarn', '--non-interactive'], ['bun']] as const) {
  describeWith(client, `e2e/proxy: ${client}`, () => {
    it('publishes and installs', async () => {
      await using own = await npmClient(client, `${proxy.url}/npm/`)
      const name = `@proxied/${client}`
      await publishFrom(own, { name, version: '1.0.0' }, ...options)
      const app = await own.folder('app', { name: 'app', version: '0.0.0', dependencies: { [name]: '1.0.0' } })
      await own.run(app, 'install')
      expect(createRequire(path.join(app, 'index.js'))(name)).toBe(`${name}@1.0.0`)
    })
  })
}

describeWith(['python', 'pip', 'twine', 'uv'], 'e2e/proxy: distributions', () => {
  const { python: PYTHON, pip: PIP, uv: UV, twine: TWINE } = have.paths
  const LEAF = buildWheel({ name: 'proxied-leaf', version: '1.0', value: 'leaf' })
  const TOP = buildWheel({ name: 'proxied-top', version: '1.0', requires: ['Proxied_Leaf'], value: 'top' })

  it('are uploaded by twine and uv, and installed by pip and uv', async () => {
    await using client = await pythonClient()
    const [leaf = '', top = ''] = await client.save(LEAF, TOP)
    await client.ok(TWINE, ['upload', '--disable-progress-bar', leaf], {
      TWINE_REPOSITORY_URL: `${proxy.url}/python/legacy/`,
      TWINE_USERNAME: '__token__',
      TWINE_PASSWORD: 'any',
    })
    await client.ok(UV, ['publish', top], {
      UV_PUBLISH_URL: `${proxy.url}/python/legacy/`,
      UV_PUBLISH_TOKEN: 'any',
    })
    const index = `${proxy.url}/python/simple/`
    await client.ok(PIP, ['install', '--target', client.join('pip'), 'proxied-top'], { PIP_INDEX_URL: index })
    await client.ok(UV, ['pip', 'install', '--python', PYTHON, '--target', client.join('uv'), 'proxied-top'], {
      UV_DEFAULT_INDEX: index,
    })
    for (const target of ['pip', 'uv']) {
      const script = 'import proxied_leaf, proxied_top; print(proxied_leaf.VALUE, proxied_top.VALUE)'
      const printed = await client.ok(PYTHON, ['-c', script], { PYTHONPATH: client.join(target) })
      expect(printed.trim()).toBe('leaf top')
    }
  })
})

describe('e2e/proxy: none of these clients', () => {
  it('asked the depot itself, or met a bug', () => {
    expect(gate.refused).toEqual([])
    expect(world.bugs).toEqual([])
  })
})
