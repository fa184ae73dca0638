import { execFile } from 'node:child_process'
import path from 'node:path'
import process from 'node:process'
import { promisify } from 'node:util'

import { afterAll, beforeAll, describe, expect, it } from 'vitest'

import { describeWith, have } from '../helpers/have.ts'
import { npmClient, publishFrom, type NpmClient } from '../helpers/npm-client.ts'
import { tempDir } from '../helpers/temp-dir.ts'
import { startWorld, type World } from '../helpers/world.ts'

const PACKAGES = [
  { name: 'lib', version: '1.0.0', funding: 'https://fund.example/lib', license: 'MIT', readme: '# Lib' },
  { name: 'lib', version: '1.1.0', funding: 'https://fund.example/lib' },
  { name: '@acme/app', version: '2.0.0', dependencies: { lib: '1.0.0' } },
]
const USER = { name: 'user', version: '0.0.0', dependencies: { '@acme/app': '^2.0.0', lib: '~1.0.0' } }

for (const client of ['npm', 'npm12'] as const) {
  describeWith(['npm', client], `e2e/reader with ${client}`, () => {
    describe.each(['/npm/', '/'])('with a registry at %s', (mount) => {
      let world: World
      let npm: NpmClient
      let folder: string

      beforeAll(async () => {
        world = await startWorld()
        npm = await npmClient(client, world.url + mount)
        for (const own of PACKAGES) await publishFrom(npm, own)
        folder = await npm.folder('user', USER)
        await npm.run(folder, 'install')
      })
      afterAll(async () => {
        await npm[Symbol.asyncDispose]()
        await world[Symbol.asyncDispose]()
      })

      it('views fields, versions and ranges', async () => {
        expect(await npm.run(folder, 'view', 'lib', 'versions', '--json')).toMatch(/"1\.0\.0",\s+"1\.1\.0"/)
        expect(await npm.run(folder, 'view', 'lib@1.0.0', 'license')).toBe('MIT\n')
        expect(await npm.run(folder, 'view', '@acme/app@^2', 'dependencies.lib')).toBe('1.0.0\n')
        expect(await npm.run(folder, 'view', 'lib')).toMatch(/lib@1\.1\.0/)
      })

      it('tells what is outdated, why something is installed, and whom to pay', async () => {
        expect(await npm.failure(folder, 'outdated', '--json')).toMatch(/"lib"[\s\S]*"latest": "1\.1\.0"/)
        expect(await npm.run(folder, 'explain', 'lib')).toMatch(/lib@1\.0\.0[\s\S]*@acme\/app/)
        expect(await npm.run(folder, 'fund')).toMatch(/https:\/\/fund\.example\/lib/)
        expect(await npm.run(folder, 'ping')).toBe('')
        expect(world.bugs).toEqual([])
      })

      it("verifies the registry's signatures of what it installs, and refuses one that is of something else", async () => {
        await using dir = await tempDir('pacote')
        const verify = async (spec: string, registry: string) => {
          const args = ['-e', VERIFY, npmModules(client), registry, spec, dir.path]
          return (await promisify(execFile)(process.execPath, args, { timeout: 30_000 })).stdout
        }
        expect(await verify('lib@1.0.0', world.url + mount)).toBe('verified SHA256:')
        expect(await verify('@acme/app@2.0.0', world.url + mount)).toBe('verified SHA256:')
        await using other = await startWorld()
        await publishFrom(await npmClient('npm', `${other.url}/npm/`), { name: 'lib', version: '1.0.0' })
        const keysOfOther = `${world.url}${mount} ${other.url}/npm/`
        await expect(verify('lib@1.0.0', keysOfOther)).rejects.toThrow(/no corresponding public key can be found/)
      })
    })
  })
}

/** `npm audit signatures` asks sigstore's servers before it asks a registry; this is what it then does with the registry's keys. */
const VERIFY = `
const [modules, registries, spec, cache] = process.argv.slice(1)
const [registry, keysFrom = registry] = registries.split(' ')
const pacote = require(modules + '/pacote')
const regKey = registry.replace(/^http:/, '')
fetch(keysFrom + '-/npm/v1/keys').then((answer) => answer.json()).then(async ({ keys }) => {
  const pem = keys.map((key) => ({ ...key, pemkey: '-----BEGIN PUBLIC KEY-----\\n' + key.key + '\\n-----END PUBLIC KEY-----' }))
  const options = { registry, cache, verifySignatures: true, [regKey + ':_keys']: pem }
  const { _signatures } = await pacote.manifest(spec, options)
  process.stdout.write('verified ' + _signatures.map(({ keyid }) => keyid.slice(0, 7)).join())
}).catch((error) => { console.error(error.message); process.exit(1) })`

function npmModules(client: 'npm' | 'npm12'): string {
  return path.join(path.dirname(have.paths[client]), '..', 'node_modules')
}

describeWith(['npm', 'pnpm'], 'e2e/signatures with pnpm', () => {
  it.each(['/npm/', '/'])(
    'finds a good signature on every package of the depot at %s, and misses none',
    async (mount) => {
      await using world = await startWorld()
      await using pnpm = await npmClient('pnpm', world.url + mount)
      for (const own of PACKAGES) await publishFrom(pnpm, own, '--no-git-checks')
      const folder = await pnpm.folder('user', USER)
      await pnpm.run(folder, 'install')
      expect(await pnpm.run(folder, 'audit', 'signatures')).toMatch(/2 packages have verified registry signatures/)
      expect(world.bugs).toEqual([])
    },
  )
})
