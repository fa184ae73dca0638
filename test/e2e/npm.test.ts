import { readFile, rm, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import path from 'node:path'
import process from 'node:process'

import { afterAll, beforeAll, describe, expect, it } from 'vitest'

import { describeWith } from '../helpers/have.ts'
import { npmClient, publishFrom, type NpmClient } from '../helpers/npm-client.ts'
import { startWorld, type World } from '../helpers/world.ts'

const FOREIGN_OS = process.platform === 'win32' ? 'linux' : 'win32'

/** What the clients publish, in the order in which they depend on one another. */
const PACKAGES = [
  { name: 'demo-lib', version: '1.0.0', description: 'a plain package' },
  { name: '@acme/button', version: '1.0.0', dependencies: { 'demo-lib': '^1.0.0' } },
  { name: 'native-fitting', version: '1.0.0', os: [process.platform], cpu: [process.arch] },
  { name: 'native-foreign', version: '1.0.0', os: [FOREIGN_OS] },
  {
    name: 'native',
    version: '1.0.0',
    optionalDependencies: { 'native-fitting': '1.0.0', 'native-foreign': '1.0.0' },
    peerDependencies: { 'not-there': '*' },
    peerDependenciesMeta: { 'not-there': { optional: true } },
  },
]
const APP = {
  name: 'app',
  version: '0.0.0',
  private: true,
  dependencies: { '@acme/button': '^1.0.0', native: '1.0.0' },
}

interface Lock {
  packages: Record<string, { resolved?: string; integrity?: string }>
}

async function readLock(folder: string): Promise<Lock> {
  return JSON.parse(await readFile(path.join(folder, 'package-lock.json'), 'utf8')) as Lock
}

/** What is installed and loads: the foreign platform's package must not be. */
function expectInstalled(folder: string): void {
  const load = createRequire(path.join(folder, 'index.js'))
  expect(load('@acme/button')).toBe('@acme/button@1.0.0')
  const inNative = createRequire(load.resolve('native'))
  expect(inNative('native-fitting')).toBe('native-fitting@1.0.0')
  expect(() => inNative.resolve('native-foreign')).toThrow(/Cannot find module/)
  expect(createRequire(load.resolve('@acme/button'))('demo-lib')).toBe('demo-lib@1.0.0')
}

describeWith('npm', 'e2e/npm', () => {
  describe.each(['/npm/', '/'])('npm with a registry at %s', (mount) => {
    let world: World
    let npm: NpmClient
    let app: string

    beforeAll(async () => {
      world = await startWorld()
      npm = await npmClient('npm', world.url + mount)
      for (const own of PACKAGES) await publishFrom(npm, own)
      app = await npm.folder('app', APP)
    })
    afterAll(async () => {
      await npm[Symbol.asyncDispose]()
      await world[Symbol.asyncDispose]()
    })

    it('installs what it published, a scoped package, a dependency and what fits the platform', async () => {
      await npm.run(app, 'install')
      expectInstalled(app)
      const { packages } = await readLock(app)
      expect(packages['node_modules/@acme/button']).toMatchObject({
        resolved: `${world.url}${mount}@acme/button/-/button-1.0.0.tgz`,
        integrity: expect.stringMatching(/^sha512-/) as unknown,
      })
      expect(packages).toHaveProperty('node_modules/native-foreign')
    })

    it('installs from its lockfile with an empty cache', async () => {
      await rm(path.join(app, 'node_modules'), { recursive: true })
      await using other = await npmClient('npm', world.url + mount)
      await other.run(app, 'ci')
      expectInstalled(app)
    })

    it('installs from a lockfile that was made with npmjs, and from one without addresses', async () => {
      await using other = await npmClient('npm', world.url + mount)
      for (const from of ['https://registry.npmjs.org/', undefined]) {
        const lock = await readLock(app)
        for (const entry of Object.values(lock.packages)) {
          const own = entry.resolved
          delete entry.resolved
          if (own !== undefined && from !== undefined) entry.resolved = own.replace(world.url + mount, from)
        }
        const lockfile = { 'package-lock.json': JSON.stringify(lock) }
        const folder = await other.folder(`moved-${from === undefined}`, APP, lockfile)
        await other.run(folder, 'ci')
        expectInstalled(folder)
      }
    })

    it('views a package, publishes under a tag and installs by it', async () => {
      await publishFrom(npm, { name: 'demo-lib', version: '2.0.0-rc.1' }, '--tag', 'next')
      const tags = JSON.parse(await npm.run(app, 'view', 'demo-lib', 'dist-tags', '--json')) as unknown
      expect(tags).toEqual({ latest: '1.0.0', next: '2.0.0-rc.1' })
      expect(await npm.run(app, 'dist-tag', 'ls', 'demo-lib')).toBe('latest: 1.0.0\nnext: 2.0.0-rc.1\n')
      const tester = await npm.folder('tester', { name: 'tester', version: '0.0.0' })
      await npm.run(tester, 'install', 'demo-lib@next')
      expect(createRequire(path.join(tester, 'x.js'))('demo-lib')).toBe('demo-lib@2.0.0-rc.1')
    })

    it('hears why something is not possible', async () => {
      const again = npm.folder('again', PACKAGES[0] ?? {})
      expect(await npm.failure(await again, 'publish')).toMatch(/cannot publish over/)
      expect(await npm.failure(app, 'view', '@acme/missing')).toMatch(/not found here, or not for you to see/)
      expect(await npm.failure(app, 'install', 'demo-lib@9.9.9')).toMatch(/ETARGET|No matching version/)
      expect(await npm.run(app, 'ping')).toBe('')
      expect(world.bugs).toEqual([])
    })
  })

  it('finds the package npm itself under a mount called /npm, from a lockfile of npmjs', async () => {
    await using world = await startWorld()
    await using npm = await npmClient('npm', `${world.url}/npm/`)
    await publishFrom(npm, { name: 'npm', version: '99.0.0' })
    const app = await npm.folder('app', { name: 'app', version: '0.0.0', dependencies: { npm: '99.0.0' } })
    await npm.run(app, 'install', '--package-lock-only')
    const lockfile = path.join(app, 'package-lock.json')
    const lock = (await readFile(lockfile, 'utf8')).replaceAll(`${world.url}/npm/`, 'https://registry.npmjs.org/')
    expect(lock).toContain('https://registry.npmjs.org/npm/-/npm-99.0.0.tgz')
    await writeFile(lockfile, lock)
    await using other = await npmClient('npm', `${world.url}/npm/`)
    await other.run(app, 'ci')
    expect(createRequire(path.join(app, 'x.js'))('npm')).toBe('npm@99.0.0')
  })
})

for (const client of ['pnpm', 'pnpmOld'] as const) {
  describeWith(client, `e2e/${client}`, () => {
    it.each(['/npm/', '/'])('publishes, installs and installs again from its lockfile at %s', async (mount) => {
      await using world = await startWorld()
      await using pnpm = await npmClient(client, world.url + mount)
      for (const own of PACKAGES) await publishFrom(pnpm, own, '--no-git-checks')
      const app = await pnpm.folder('app', APP)
      await pnpm.run(app, 'install')
      expectInstalled(app)
      await rm(path.join(app, 'node_modules'), { recursive: true })
      await pnpm.run(app, 'install', '--frozen-lockfile')
      expectInstalled(app)
      expect(world.bugs).toEqual([])
    })
  })
}
