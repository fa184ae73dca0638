import { readdir, rm } from 'node:fs/promises'
import { createRequire } from 'node:module'
import path from 'node:path'
import process from 'node:process'

import { expect, it } from 'vitest'

import { describeWith } from '../helpers/have.ts'
import { npmClient, type NpmClient } from '../helpers/npm-client.ts'
import { appWith, NPM_TOOLS, npmToolAt } from '../helpers/npm-tools.ts'
import { startNpmWorld } from '../helpers/npm-world.ts'
import { runDepot } from '../helpers/run-depot.ts'
import { saveFixture, saveKeys } from '../helpers/saved-npm.ts'
import { tempDir, type TempDir } from '../helpers/temp-dir.ts'
import { startWorld, type World } from '../helpers/world.ts'

const PLATFORMS = [
  { name: '@native/linux-x64', os: ['linux'], cpu: ['x64'], libc: ['glibc'] },
  { name: '@native/linux-arm64', os: ['linux'], cpu: ['arm64'], libc: ['glibc'] },
  { name: '@native/darwin-arm64', os: ['darwin'], cpu: ['arm64'] },
]

interface Inside extends AsyncDisposable {
  readonly world: World
  readonly saved: TempDir
}

/** A tree that was saved outside: a scoped package, a range, and a package with one binary for each platform. */
async function pushed(start: () => Promise<World> = startWorld): Promise<Inside> {
  await using made = new AsyncDisposableStack()
  const saved = made.use(await tempDir('saved'))
  const signer = await saveKeys(saved.path)
  const save = (name: string, versions: readonly string[], manifest: object = {}): Promise<string> =>
    saveFixture(saved.path, { name, versions, manifest: { ...manifest }, signer, attested: true })
  await save('demo-lib', ['1.0.0', '1.2.0', '2.0.0'])
  await save('@acme/button', ['1.0.0'], { dependencies: { 'demo-lib': '^1.0.0' } })
  const optionalDependencies = Object.fromEntries(PLATFORMS.map(({ name }) => [name, '1.0.0']))
  await save('native', ['1.0.0'], { optionalDependencies })
  for (const { name, ...fields } of PLATFORMS) await save(name, ['1.0.0'], fields)
  const world = made.use(await start())
  const { status, stdout, stderr } = await runDepot(['npm', 'push', world.url, '--dir', saved.path])
  expect({ status, stdout, stderr }).toMatchObject({ status: 0, stderr: '' })
  const owned = made.move()
  return { world, saved, [Symbol.asyncDispose]: () => owned.disposeAsync() }
}

const APP = appWith({ '@acme/button': '^1.0.0', native: '1.0.0' })

function versionOf(folder: string, ...way: readonly string[]): string {
  const from = way.reduce((file, name) => createRequire(file).resolve(`${name}/index.js`), path.join(folder, 'x.js'))
  return (createRequire(from)('./package.json') as { version: string }).version
}

for (const tool of NPM_TOOLS.filter(({ client }) => client !== 'npm10' && client !== 'pnpmOld')) {
  describeWith(tool.client, `e2e/npm push, then ${tool.label}`, () => {
    it('installs what was pushed, and again from its lock file, with no other registry', async () => {
      await using inside = await pushed()
      const { world } = inside
      await using client = await npmToolAt(tool, `${world.url}/npm/`, ...NOWHERE_ELSE(tool.client))
      const folder = await client.folder('app', APP, tool.files)
      await client.run(folder, ...tool.install)
      expect(versionOf(folder, '@acme/button', 'demo-lib')).toBe('1.2.0')
      expect(versionOf(folder, 'native', `@native/${process.platform}-${process.arch}`)).toBe('1.0.0')
      await rm(path.join(folder, 'node_modules'), { recursive: true })
      await client.run(folder, ...tool.frozen)
      expect(versionOf(folder, '@acme/button', 'demo-lib')).toBe('1.2.0')
      expect(world.bugs).toEqual([])
    }, 120_000)
  })
}

/** What these clients know of the public registry leads to a port where nobody listens. */
const NOWHERE_ELSE = (client: string): readonly string[] =>
  client === 'yarnBerry'
    ? ['httpsProxy: "http://127.0.0.1:1"']
    : ['https-proxy=http://127.0.0.1:1/', 'noproxy=127.0.0.1', 'no-proxy=127.0.0.1']

for (const client of ['npm11', 'npm12'] as const) {
  describeWith(client, `e2e/npm push, then ${client} for another platform`, () => {
    it('installs the binaries of the platform that is asked for', async () => {
      await using inside = await pushed()
      await using npm: NpmClient = await npmClient(client, `${inside.world.url}/npm/`)
      const folder = await npm.folder('app', APP)
      await npm.run(folder, 'install', '--package-lock-only')
      for (const [os, cpu] of [
        ['darwin', 'arm64'],
        ['linux', 'arm64'],
      ] as const) {
        await npm.run(folder, 'ci', `--os=${os}`, `--cpu=${cpu}`, '--libc=glibc')
        expect((await readdir(path.join(folder, 'node_modules', '@native'))).sort()).toEqual([`${os}-${cpu}`])
      }
    }, 120_000)
  })
}

describeWith(['npm', 'pnpm'], 'e2e/npm push and signatures', () => {
  it('lets pnpm check what another registry signed, and find what was not', async () => {
    // It signs nothing itself.
    await using inside = await pushed(() => startNpmWorld())
    const { world, saved } = inside
    await using pnpm = await npmClient('pnpm', `${world.url}/npm/`)
    const folder = await pnpm.folder('app', appWith({ '@acme/button': '^1.0.0' }))
    await pnpm.run(folder, 'install')
    expect(await pnpm.run(folder, 'audit', 'signatures')).toMatch(/2 packages have verified registry signatures/)
    // What is signed by a key that nobody brought in cannot be checked.
    const stranger = await saveKeys(saved.path)
    await rm(path.join(saved.path, '-', 'keys.json'))
    await saveFixture(saved.path, { name: 'demo-lib', versions: ['1.3.0'], signer: stranger })
    expect((await runDepot(['npm', 'push', world.url, '--dir', saved.path])).status).toBe(0)
    await pnpm.run(folder, 'update')
    expect(await pnpm.failure(folder, 'audit', 'signatures')).toMatch(/demo-lib/)
  }, 120_000)
})
