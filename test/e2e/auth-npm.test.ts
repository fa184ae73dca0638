import { rm } from 'node:fs/promises'
import { createRequire } from 'node:module'
import path from 'node:path'

import { afterAll, beforeAll, expect, it } from 'vitest'

import { startGuardedWorld, type GuardedWorld } from '../helpers/guarded-world.ts'
import { describeWith } from '../helpers/have.ts'
import { npmClient, npmrcLine, publishFrom, type NpmClient, type NpmClientName } from '../helpers/npm-client.ts'

interface Client {
  readonly name: NpmClientName
  /** What a publish without questions needs. */
  readonly publish: readonly string[]
  /** An installation that takes everything from the lockfile. */
  readonly frozen: readonly string[]
  /** Lines of the .npmrc without which no credentials are sent on reads. */
  readonly npmrc: readonly string[]
  /** What works with a token that is set for the whole host. */
  readonly hostToken: { readonly reads: boolean; readonly publishes: boolean }
  /** What it prints when it shows no credentials, or bad ones, on a read. */
  readonly unauthenticated: RegExp
  /** What it prints for a package that is hidden from it. */
  readonly hidden: RegExp
}

const NPM = {
  publish: [],
  frozen: ['ci'],
  npmrc: [],
  hostToken: { reads: true, publishes: false },
  unauthenticated: /E401\n.*Unable to authenticate, your authentication token seems to be invalid.*\n.*\n.*npm login/,
  hidden: /E404[^]*not found here, or not for you to see/,
}
const PNPM = {
  publish: ['--no-git-checks'],
  frozen: ['install', '--frozen-lockfile'],
  npmrc: [],
  unauthenticated: /ERR_PNPM_FETCH_401[^]*No authorization header was set/,
  hidden: /ERR_PNPM_FETCH_404[^]*or you have no permission to\s+fetch it/,
}
const CLIENTS: readonly Client[] = [
  { ...NPM, name: 'npm' },
  { ...NPM, name: 'npm12' },
  { ...PNPM, name: 'pnpm', hostToken: { reads: true, publishes: true } },
  // It publishes with npm.
  { ...PNPM, name: 'pnpmOld', hostToken: { reads: true, publishes: false } },
  {
    name: 'yarn',
    publish: ['--non-interactive'],
    frozen: ['install', '--frozen-lockfile'],
    npmrc: ['always-auth=true'],
    hostToken: { reads: false, publishes: false },
    unauthenticated: /good credentials are needed here/,
    hidden: /not found here, or not for you to see/,
  },
  {
    name: 'bun',
    publish: [],
    frozen: ['install', '--frozen-lockfile'],
    npmrc: [],
    hostToken: { reads: true, publishes: true },
    unauthenticated: /GET \S+ - 401/,
    hidden: /GET \S+ - 404/,
  },
]
const APP = { name: 'app', version: '0.0.0', private: true, dependencies: { '@in/button': '1.0.0', plain: '1.0.0' } }

for (const { name, publish, frozen, npmrc, hostToken, unauthenticated, hidden } of CLIENTS) {
  describeWith(name, `e2e/auth: ${name} at a depot where reads need credentials`, () => {
    let world: GuardedWorld
    let registry: string

    beforeAll(async () => {
      world = await startGuardedWorld({ reads: 'closed' })
      registry = `${world.url}/npm/`
      await using client = await clientWith('_authToken', await world.token('npm:write:*'))
      for (const own of ['plain', '@in/button', '@out/button'])
        await publishFrom(client, { name: own, version: '1.0.0' }, ...publish)
    })
    afterAll(() => world[Symbol.asyncDispose]())

    function clientWith(setting: string, value: string, place = registry): Promise<NpmClient> {
      return npmClient(name, registry, [npmrcLine(place, setting, value), ...npmrc])
    }

    it('installs with a token for the registry, tarballs too, and again from its lockfile', async () => {
      const token = await world.token('npm:read:*')
      await using client = await clientWith('_authToken', token)
      const app = await client.folder('app', APP)
      const refusals = world.refusals.length
      await client.run(app, 'install')
      expectLoads(app, '@in/button', 'plain')
      await rm(path.join(app, 'node_modules'), { recursive: true })
      await using other = await clientWith('_authToken', token)
      await other.run(app, ...frozen)
      expectLoads(app, '@in/button', 'plain')
      expect(world.refusals.slice(refusals)).not.toContain('UNAUTHENTICATED')
      expect((await world.fetch('/npm/plain/-/plain-1.0.0.tgz')).status).toBe(401)
    })

    it('publishes and installs with Basic credentials whose password is the token', async () => {
      const token = await world.token('npm:write:*')
      await using client = await clientWith('_auth', Buffer.from(`whoever:${token}`).toString('base64'))
      await publishFrom(client, { name: 'by-basic', version: '1.0.0' }, ...publish)
      const app = await client.folder('app', { ...APP, dependencies: { 'by-basic': '1.0.0' } })
      await client.run(app, 'install')
      expectLoads(app, 'by-basic')
    })

    it(`with a token for the whole host ${sentence(hostToken)}`, async () => {
      await using client = await clientWith('_authToken', await world.token('npm:write:*'), `${world.url}/`)
      const app = await client.folder('app', APP)
      if (hostToken.reads) await client.run(app, 'install')
      else expect(await client.failure(app, 'install')).toMatch(unauthenticated)
      const published = publishFrom(client, { name: 'by-host', version: '1.0.0' }, ...publish)
      if (hostToken.publishes) await published
      else await expect(published).rejects.toThrow(/ENEEDAUTH|No token found/)
    })

    it('sees within the scope of its token, and elsewhere what it would see of a package that is not there', async () => {
      await using client = await clientWith('_authToken', await world.token('npm:read:@in/*'))
      const inScope = await client.folder('in', { ...APP, dependencies: { '@in/button': '1.0.0' } })
      await client.run(inScope, 'install')
      expectLoads(inScope, '@in/button')
      const failures = ['@out/button', '@out/absent'].map(async (own) => {
        const folder = await client.folder(own, { ...APP, dependencies: { [own]: '1.0.0' } })
        return comparable(await client.failure(folder, 'install'), own)
      })
      const [hiddenFailure = '', absentFailure] = await Promise.all(failures)
      expect(hiddenFailure).toMatch(hidden)
      expect(hiddenFailure).toBe(absentFailure)
    })

    it('hears that a token that only reads may not publish', async () => {
      await using client = await clientWith('_authToken', await world.token('npm:read:*'))
      const published = publishFrom(client, { name: 'refused', version: '1.0.0' }, ...publish)
      await expect(published).rejects.toThrow(/your credentials do not permit this/)
    })

    it('may publish within the scope of its token only', async () => {
      await using client = await clientWith('_authToken', await world.token('npm:write:@in/*'))
      await publishFrom(client, { name: '@in/other', version: '1.0.0' }, ...publish)
      const published = publishFrom(client, { name: '@out/other', version: '1.0.0' }, ...publish)
      await expect(published).rejects.toThrow(/your credentials do not permit this/)
    })

    it('hears that it needs credentials when it has none', async () => {
      await using client = await npmClient(name, registry, npmrc)
      const app = await client.folder('app', APP)
      expect(await client.failure(app, 'install')).toMatch(unauthenticated)
    })

    it('meets no bug of the depot', () => {
      expect(world.bugs).toEqual([])
    })
  })
}

function sentence({ reads, publishes }: Client['hostToken']): string {
  return `${reads ? 'installs' : 'does not install'}, and ${publishes ? 'publishes' : 'does not publish'}`
}

/** Each loads, and is the version that was asked for. */
function expectLoads(folder: string, ...names: readonly string[]): void {
  const load = createRequire(path.join(folder, 'index.js'))
  expect(names.map((name) => load(name) as unknown)).toEqual(names.map((name) => `${name}@1.0.0`))
}

/** Without what differs from run to run, nor how wide the package's name is. */
function comparable(output: string, name: string): string {
  const text = output.replaceAll(name, '<name>').replaceAll(name.replace('/', '%2f'), '<name>')
  return text
    .replaceAll(name.replace('/', '%2F'), '<name>')
    .replace(/^.*(?:complete log|error-log|error log|happened while|^Progress).*$/gim, '')
    .replace(/^ +at .*$/gm, '')
    .replace(/\s+/g, ' ')
}
