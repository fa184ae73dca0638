import { afterAll, beforeAll, describe, expect, it } from 'vitest'

import { startAccountWorld, type AccountWorld } from '../helpers/account-world.ts'
import { describeWith } from '../helpers/have.ts'
import { npmClient, npmrcLine, publishFrom, type NpmClient } from '../helpers/npm-client.ts'
import { json } from '../helpers/npm-world.ts'

interface Packument {
  readonly 'dist-tags': Readonly<Record<string, string>>
  readonly versions: Readonly<Record<string, { readonly deprecated?: string }>>
  readonly time: Readonly<Record<string, string>>
}

for (const [name, mount] of [
  ['npm', '/npm/'],
  ['npm12', '/'],
] as const) {
  describeWith(name, `e2e/publisher: ${name}`, () => {
    describe(`with a registry at ${mount}`, () => {
      let world: AccountWorld
      let npm: NpmClient
      let folder: string

      beforeAll(async () => {
        world = await startAccountWorld({ reads: 'open' })
        npm = await clientWith('*:*:*')
        folder = await npm.folder('somewhere', { name: 'somewhere', version: '0.0.0' })
      })
      afterAll(async () => {
        await npm[Symbol.asyncDispose]()
        await world[Symbol.asyncDispose]()
      })

      async function clientWith(grants: string): Promise<NpmClient> {
        const { token } = await world.token(grants)
        const registry = world.url + mount
        return npmClient(name, registry, [npmrcLine(registry, '_authToken', token)])
      }

      async function packument(of: string): Promise<Packument> {
        return (await json(await world.fetch(`${mount}${of}`))) as unknown as Packument
      }

      it('deprecates versions, says so on installation, and takes it back', async () => {
        for (const version of ['1.0.0', '1.1.0', '2.0.0']) await publishFrom(npm, { name: '@acme/old', version })
        await npm.run(folder, 'deprecate', '@acme/old@1.x', 'use version 2')
        const deprecated = async () =>
          Object.values((await packument('@acme/old')).versions).map((version) => version.deprecated)
        expect(await deprecated()).toEqual(['use version 2', 'use version 2', undefined])
        const view = await npm.run(folder, 'view', '@acme/old@1.0.0', 'deprecated')
        expect(view.trim()).toBe('use version 2')
        await npm.run(folder, 'deprecate', '@acme/old@1.0.0', '')
        expect(await deprecated()).toEqual([undefined, 'use version 2', undefined])
        await npm.run(folder, 'deprecate', '@acme/old', '')
        expect(await deprecated()).toEqual([undefined, undefined, undefined])
      })

      it('unpublishes one version: it is gone everywhere, latest moves, and its number is never used again', async () => {
        for (const version of ['1.0.0', '2.0.0-rc.1', '1.1.0']) {
          await publishFrom(npm, { name: '@acme/gone', version }, ...(version.includes('-') ? ['--tag', 'rc'] : []))
        }
        await npm.run(folder, 'unpublish', '@acme/gone@1.1.0')
        const { versions, time, 'dist-tags': tags } = await packument('@acme/gone')
        expect(Object.keys(versions)).toEqual(['1.0.0', '2.0.0-rc.1'])
        expect(time).not.toHaveProperty(['1.1.0'])
        expect(tags).toEqual({ latest: '1.0.0', rc: '2.0.0-rc.1' })
        for (const path of ['@acme%2fgone/1.1.0', '@acme/gone/-/gone-1.1.0.tgz'])
          expect([path, (await world.fetch(mount + path)).status]).toEqual([path, 404])
        const again = await npm.folder('again', { name: '@acme/gone', version: '1.1.0' })
        expect(await npm.failure(again, 'publish')).toMatch(
          /E409[^]*cannot publish @acme\/gone@1\.1\.0: it was deleted on \d{4}-\d\d-\d\d[^]*choose a new version/,
        )
        await publishFrom(npm, { name: '@acme/gone', version: '1.1.1' })
        expect((await packument('@acme/gone'))['dist-tags']['latest']).toBe('1.1.1')
      })

      it('unpublishes a whole package, and its last version alone', async () => {
        for (const version of ['1.0.0', '1.1.0']) await publishFrom(npm, { name: 'whole', version })
        await npm.run(folder, 'unpublish', 'whole', '--force')
        await publishFrom(npm, { name: 'last', version: '1.0.0' })
        await npm.run(folder, 'unpublish', 'last@1.0.0', '--force')
        for (const own of ['whole', 'last']) {
          expect((await world.fetch(mount + own)).status).toBe(404)
          expect(await npm.failure(folder, 'view', own)).toMatch(/E404/)
        }
        const again = await npm.folder('again-whole', { name: 'whole', version: '1.0.0' })
        expect(await npm.failure(again, 'publish')).toMatch(/E409[^]*was deleted/)
        await publishFrom(npm, { name: 'whole', version: '2.0.0' })
        expect((await packument('whole'))['dist-tags']).toEqual({ latest: '2.0.0' })
      })

      it('needs the right to delete for that, while writing is enough for the rest', async () => {
        await using writer = await clientWith('npm:write:*')
        for (const version of ['1.0.0', '1.1.0']) await publishFrom(writer, { name: 'guarded', version })
        expect(await writer.failure(folder, 'unpublish', 'guarded@1.0.0')).toMatch(/E403[^]*do not permit/)
        expect(await writer.failure(folder, 'unpublish', 'guarded', '--force')).toMatch(/E403/)
        expect(Object.keys((await packument('guarded')).versions)).toEqual(['1.0.0', '1.1.0'])
        await writer.run(folder, 'deprecate', 'guarded@1.0.0', 'old')
        await writer.run(folder, 'owner', 'add', 'bob', 'guarded')
        await writer.run(folder, 'dist-tag', 'add', 'guarded@1.0.0', 'stable')
      })

      it('adds, lists, moves and removes dist-tags, but never latest', async () => {
        for (const version of ['1.0.0', '2.0.0']) await publishFrom(npm, { name: '@acme/tags', version })
        const list = () => npm.run(folder, 'dist-tag', 'ls', '@acme/tags')
        await npm.run(folder, 'dist-tag', 'add', '@acme/tags@1.0.0', 'stable')
        expect(await list()).toBe('latest: 2.0.0\nstable: 1.0.0\n')
        await npm.run(folder, 'dist-tag', 'add', '@acme/tags@2.0.0', 'stable')
        await npm.run(folder, 'dist-tag', 'add', '@acme/tags@1.0.0')
        expect(await list()).toBe('latest: 1.0.0\nstable: 2.0.0\n')
        await npm.run(folder, 'dist-tag', 'rm', '@acme/tags', 'stable')
        expect(await list()).toBe('latest: 1.0.0\n')
        expect(await npm.failure(folder, 'dist-tag', 'rm', '@acme/tags', 'latest')).toMatch(/move it with/)
        expect(await npm.failure(folder, 'dist-tag', 'add', '@acme/tags@9.9.9', 'none')).toMatch(/E404[^]*9\.9\.9/)
      })

      it('adds, lists and removes owners', async () => {
        await publishFrom(npm, { name: '@acme/owned', version: '1.0.0' })
        await npm.run(folder, 'owner', 'add', 'alice', '@acme/owned')
        await npm.run(folder, 'owner', 'add', 'bob', '@acme/owned')
        expect(await npm.run(folder, 'owner', 'ls', '@acme/owned')).toMatch(/alice <.*>\nbob <.*>\n$/)
        await npm.run(folder, 'owner', 'rm', 'alice', '@acme/owned')
        expect(await npm.run(folder, 'owner', 'ls', '@acme/owned')).not.toContain('alice')
        await publishFrom(npm, { name: '@acme/owned', version: '1.0.1' })
        expect(await npm.run(folder, 'owner', 'ls', '@acme/owned')).toContain('bob')
      })

      it('hears that there are no teams, organisations and levels of access here', async () => {
        await publishFrom(npm, { name: '@acme/plain', version: '1.0.0' })
        for (const line of [
          'access get status @acme/plain',
          'access set status=public @acme/plain',
          'access list packages @acme',
          'access list collaborators @acme/plain',
          'org ls acme',
          'team ls acme',
          'team create acme:devs',
        ])
          expect([line, await npm.failure(folder, ...line.split(' '))]).toEqual([
            line,
            expect.stringMatching(/E404[^]*(?:not found here, or not for you to see|nothing is served here)/),
          ])
        expect(world.bugs).toEqual([])
      })
    })
  })
}

// npm 12 has no stars any more.
describeWith('npm', 'e2e/publisher: stars', () => {
  it('stars a package and takes that back', async () => {
    await using world = await startAccountWorld({ reads: 'open' })
    const registry = `${world.url}/npm/`
    const { token } = await world.token('*:*:*')
    await using npm = await npmClient('npm', registry, [npmrcLine(registry, '_authToken', token)])
    const folder = await npm.folder('somewhere', { name: 'somewhere', version: '0.0.0' })
    await publishFrom(npm, { name: 'starred', version: '1.0.0' })
    const user = (await npm.run(folder, 'whoami')).trim()
    await npm.run(folder, 'star', 'starred')
    expect(await json(await world.fetch('/npm/starred'))).toMatchObject({ users: { [user]: true } })
    await npm.run(folder, 'unstar', 'starred')
    expect(await json(await world.fetch('/npm/starred'))).not.toHaveProperty('users')
  })
})
