import { afterAll, beforeAll, expect, it } from 'vitest'

import { startAccountWorld, type AccountWorld } from '../helpers/account-world.ts'
import { describeWith } from '../helpers/have.ts'
import { npmClient, npmrcLine, publishFrom, type NpmClient, type NpmClientName } from '../helpers/npm-client.ts'
import { json } from '../helpers/npm-world.ts'

interface Packument {
  readonly 'dist-tags': Readonly<Record<string, string>>
  readonly versions: Readonly<Record<string, { readonly deprecated?: string }>>
  readonly maintainers?: readonly { readonly name: string }[]
  readonly users?: Readonly<Record<string, boolean>>
}

let world: AccountWorld
beforeAll(async () => void (world = await startAccountWorld({ reads: 'open' })))
afterAll(() => world[Symbol.asyncDispose]())

async function clientOf(name: NpmClientName): Promise<NpmClient> {
  const registry = `${world.url}/npm/`
  const { token } = await world.token('*:*:*')
  const auth = name === 'yarnBerry' ? `npmAuthToken: ${token}` : npmrcLine(registry, '_authToken', token)
  return npmClient(name, registry, [auth])
}

async function packument(of: string): Promise<Packument> {
  return (await json(await world.fetch(`/npm/${of}?write=true`))) as unknown as Packument
}

for (const name of ['pnpm', 'pnpmOld'] as const) {
  describeWith(name, `e2e/publisher: ${name}`, () => {
    it('deprecates, tags, names owners, stars and unpublishes', async () => {
      await using pnpm = await clientOf(name)
      const own = `@acme/${name.toLowerCase()}`
      for (const version of ['1.0.0', '1.1.0', '2.0.0'])
        await publishFrom(pnpm, { name: own, version }, '--no-git-checks')
      const folder = await pnpm.folder('somewhere', { name: 'somewhere', version: '0.0.0' })
      const deprecated = async () => Object.values((await packument(own)).versions).map((one) => one.deprecated)

      await pnpm.run(folder, 'deprecate', `${own}@1.x`, 'use version 2')
      expect(await deprecated()).toEqual(['use version 2', 'use version 2', undefined])
      if (name === 'pnpm') await pnpm.run(folder, 'undeprecate', `${own}@1.0.0`)
      else await pnpm.run(folder, 'deprecate', `${own}@1.0.0`, '')
      expect(await deprecated()).toEqual([undefined, 'use version 2', undefined])

      await pnpm.run(folder, 'dist-tag', 'add', `${own}@1.1.0`, 'stable')
      expect((await packument(own))['dist-tags']).toEqual({ latest: '2.0.0', stable: '1.1.0' })
      await pnpm.run(folder, 'dist-tag', 'rm', own, 'stable')
      expect((await packument(own))['dist-tags']).toEqual({ latest: '2.0.0' })

      // pnpm 10 has npm do it, which takes the words in another order.
      const owner = (verb: string, user: string) =>
        pnpm.run(folder, 'owner', verb, ...(name === 'pnpm' ? [own, user] : [user, own]))
      await owner('add', 'bob')
      await owner('add', 'carol')
      await owner('rm', 'bob')
      expect((await packument(own)).maintainers).toMatchObject([{ name: 'carol' }])
      expect(await pnpm.run(folder, 'owner', 'ls', own)).toMatch(/carol/)

      // pnpm 10 leaves stars to npm, of which the newest has none.
      if (name === 'pnpm') {
        await pnpm.run(folder, 'star', own)
        expect(Object.values((await packument(own)).users ?? {})).toEqual([true])
        await pnpm.run(folder, 'unstar', own)
        expect(await packument(own)).not.toHaveProperty('users')
      }

      await pnpm.run(folder, 'unpublish', `${own}@2.0.0`)
      const { versions, 'dist-tags': tags } = await packument(own)
      expect([Object.keys(versions), tags]).toEqual([['1.0.0', '1.1.0'], { latest: '1.1.0' }])
      await pnpm.run(folder, 'unpublish', own, '--force')
      expect((await world.fetch(`/npm/${own}`)).status).toBe(404)
      expect(world.bugs).toEqual([])
    })
  })
}

describeWith('yarn', 'e2e/publisher: yarn 1', () => {
  it('tags, and cannot change owners', async () => {
    await using yarn = await clientOf('yarn')
    for (const version of ['1.0.0', '2.0.0'])
      await publishFrom(yarn, { name: 'plain-yarn', version }, '--non-interactive', '--new-version', version)
    const folder = await yarn.folder('somewhere', { name: 'somewhere', version: '0.0.0' })
    await yarn.run(folder, 'tag', 'add', 'plain-yarn@1.0.0', 'stable')
    expect((await packument('plain-yarn'))['dist-tags']).toEqual({ latest: '2.0.0', stable: '1.0.0' })
    await yarn.run(folder, 'tag', 'remove', 'plain-yarn', 'stable')
    expect((await packument('plain-yarn'))['dist-tags']).toEqual({ latest: '2.0.0' })
    // Its owner command reads the abbreviated packument, which has no owners and no revision anywhere.
    expect(await yarn.failure(folder, 'owner', 'add', 'bob', 'plain-yarn')).toMatch(/-rev\/undefined[^]*use npm/)
    expect(await packument('plain-yarn')).not.toHaveProperty('maintainers')
    expect(world.bugs).toEqual([])
  })
})

describeWith('yarnBerry', 'e2e/publisher: yarn 4', () => {
  it('publishes under a tag, and tags', async () => {
    await using yarn = await clientOf('yarnBerry')
    for (const version of ['1.0.0', '2.0.0']) {
      const files = { 'index.js': '', 'yarn.lock': '' }
      const folder = await yarn.folder(`berry-${version}`, { name: '@acme/berry', version }, files)
      await yarn.run(folder, 'install')
      await yarn.run(folder, 'npm', 'publish', '--tag', version === '1.0.0' ? 'latest' : 'next')
      if (version === '1.0.0') continue
      await yarn.run(folder, 'npm', 'tag', 'add', '@acme/berry@1.0.0', 'stable')
      expect((await packument('@acme/berry'))['dist-tags']).toEqual({
        latest: '1.0.0',
        next: '2.0.0',
        stable: '1.0.0',
      })
      await yarn.run(folder, 'npm', 'tag', 'remove', '@acme/berry', 'stable')
      expect((await packument('@acme/berry'))['dist-tags']).toEqual({ latest: '1.0.0', next: '2.0.0' })
      const other = { name: '@acme/berry', version, description: 'other bytes' }
      const again = await yarn.folder('berry-again', other, files)
      await yarn.run(again, 'install')
      expect(await yarn.failure(again, 'npm', 'publish')).toMatch(/409/)
    }
    expect(world.bugs).toEqual([])
  })
})

describeWith('bun', 'e2e/publisher: bun', () => {
  it('publishes under a tag, and hears why a number cannot be used again', async () => {
    await using bun = await clientOf('bun')
    await publishFrom(bun, { name: '@acme/bun', version: '1.0.0' })
    await publishFrom(bun, { name: '@acme/bun', version: '2.0.0' }, '--tag', 'next')
    expect((await packument('@acme/bun'))['dist-tags']).toEqual({ latest: '1.0.0', next: '2.0.0' })
    const { token } = await world.token('*:*:*')
    expect((await world.ask('DELETE', '/npm/@acme%2fbun/2.0.0', token)).status).toBe(204)
    const again = await bun.folder('again', { name: '@acme/bun', version: '2.0.0' })
    expect(await bun.failure(again, 'publish')).toMatch(/409/)
    expect(world.bugs).toEqual([])
  })
})
