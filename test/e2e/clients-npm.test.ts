import { readFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import path from 'node:path'
import process from 'node:process'

import { afterAll, beforeAll, describe, expect, it } from 'vitest'

import { describeWith, have } from '../helpers/have.ts'
import { publishOf, tarballOf, type PackageJson } from '../helpers/npm-fixtures.ts'
import { appWith, NPM_TOOLS, type NpmTool, npmToolAt, publishWith } from '../helpers/npm-tools.ts'
import { publish, put } from '../helpers/npm-world.ts'
import { startWorld, type World } from '../helpers/world.ts'

const LIMIT_MS = 180_000
const FOREIGN_OS = process.platform === 'win32' ? 'linux' : 'win32'
const tools = NPM_TOOLS.filter(({ client }) => have[client])

/** What every application needs besides what the clients published. */
const FIXTURES: readonly PackageJson[] = [
  { name: 'shared-lib', version: '1.0.0' },
  { name: 'shared-lib', version: '2.0.0' },
  { name: 'native-fitting', version: '1.0.0', os: [process.platform], cpu: [process.arch] },
  { name: 'native-os', version: '1.0.0', os: [FOREIGN_OS] },
  { name: 'native-cpu', version: '1.0.0', cpu: ['s390'] },
  { name: 'native-libc', version: '1.0.0', os: [process.platform], libc: [isMusl() ? 'glibc' : 'musl'] },
  {
    name: 'native',
    version: '1.0.0',
    optionalDependencies: {
      'native-fitting': '1.0.0',
      'native-os': '1.0.0',
      'native-cpu': '1.0.0',
      'native-libc': '1.0.0',
    },
  },
  {
    name: 'with-peers',
    version: '1.0.0',
    peerDependencies: { 'shared-lib': '^1.0.0', 'absent-one': '*' },
    peerDependenciesMeta: { 'absent-one': { optional: true } },
  },
]
/** Inside its tarball and nowhere else. */
const BUNDLED: PackageJson = { name: 'only-inside', version: '1.0.0' }
const BUNDLE: PackageJson = {
  name: 'bundle',
  version: '1.0.0',
  dependencies: { 'only-inside': '1.0.0' },
  bundleDependencies: ['only-inside'],
}

function isMusl(): boolean {
  const { header } = process.report.getReport() as { header: { glibcVersionRuntime?: string } }
  return header.glibcVersionRuntime === undefined
}

let world: World
const published = new Map<NpmTool, string>()

beforeAll(async () => {
  world = await startWorld()
  for (const own of FIXTURES) await publish(world, own)
  const inside = [
    { name: 'package/node_modules/only-inside/package.json', content: JSON.stringify(BUNDLED) },
    { name: 'package/node_modules/only-inside/index.js', content: 'module.exports = "bundled"\n' },
  ]
  await put(world, BUNDLE.name, publishOf(BUNDLE, await tarballOf(BUNDLE, inside)))
  await Promise.all(
    tools.map(async (tool) => {
      const ran = publishPair(tool).then(
        () => 'published',
        (error: unknown) => String(error),
      )
      published.set(tool, await ran)
    }),
  )
}, LIMIT_MS)
afterAll(() => world[Symbol.asyncDispose]())

const plainName = ({ client }: NpmTool): string => `by-${client.toLowerCase()}`
const scopedName = ({ client }: NpmTool): string => `@by/${client.toLowerCase()}`

/** A plain package at the root, and one with a scope, which depends on it, under the mount. */
async function publishPair(tool: NpmTool): Promise<void> {
  await using atRoot = await npmToolAt(tool, `${world.url}/`)
  const plain = { name: plainName(tool), version: '1.0.0' }
  await publishWith(tool, atRoot, plain, `'plain of ${tool.client}'`)
  await using atMount = await npmToolAt(tool, `${world.url}/npm/`)
  const scoped = { name: scopedName(tool), version: '1.0.0', dependencies: { [plain.name]: '^1.0.0' } }
  await publishWith(tool, atMount, scoped, `require('${plain.name}') + ', with a scope'`)
}

function appFor({ readsBundles }: NpmTool): object {
  return appWith({
    ...Object.fromEntries(tools.map((tool) => [scopedName(tool), '^1.0.0'])),
    native: '1.0.0',
    'with-peers': '1.0.0',
    'shared-lib': '^1.0.0',
    ...(readsBundles ? { bundle: '1.0.0' } : {}),
  })
}

function expectApp(folder: string, { readsLibc, readsBundles }: NpmTool, from: 'lock file' | 'registry'): void {
  const load = createRequire(path.join(folder, 'index.js'))
  for (const tool of tools) expect(load(scopedName(tool))).toBe(`plain of ${tool.client}, with a scope`)
  const fromNative = createRequire(load.resolve('native'))
  expect(fromNative('native-fitting')).toBe(1)
  const libc = readsLibc === 'always' || (readsLibc === 'without a lock file' && from === 'registry')
  const foreign = ['native-os', 'native-cpu', ...(libc ? ['native-libc'] : [])]
  for (const name of foreign) expect(() => fromNative.resolve(name)).toThrow(/Cannot find module/)
  const peer = createRequire(load.resolve('with-peers')).resolve('shared-lib/package.json')
  expect(load(peer)).toMatchObject({ version: '1.0.0' })
  if (readsBundles) expect(createRequire(load.resolve('bundle'))('only-inside')).toBe('bundled')
}

for (const tool of NPM_TOOLS) {
  const { client, label, cooldown } = tool
  describeWith(client, `e2e/clients: ${label}`, () => {
    it('publishes a package and one with a scope', () => {
      expect(published.get(tool)).toBe('published')
    })

    it.each(['/npm/', '/'])(
      'installs what every client published from %s, and again from its lock file elsewhere',
      { timeout: LIMIT_MS },
      async (mount) => {
        await using author = await npmToolAt(tool, world.url + mount)
        const folder = await author.folder('app', appFor(tool), tool.files)
        await author.run(folder, ...tool.install)
        expectApp(folder, tool, 'registry')
        const lock = await readFile(path.join(folder, tool.lockFile), 'utf8')

        await using other = await npmToolAt(tool, world.url + mount)
        const elsewhere = await other.folder('elsewhere', appFor(tool), { [tool.lockFile]: lock })
        await other.run(elsewhere, ...tool.frozen)
        expectApp(elsewhere, tool, 'lock file')
        expect(await readFile(path.join(elsewhere, tool.lockFile), 'utf8')).toBe(lock)
      },
    )

    it('shows its user why something is refused', { timeout: LIMIT_MS }, async () => {
      await using npm = await npmToolAt(tool, `${world.url}/npm/`)
      const install = async (name: string, version: string): Promise<string> =>
        npm.failure(await npm.folder(`${name}@${version}`, appWith({ [name]: version }), tool.files), ...tool.install)
      expect(await install('absent-one', '1.0.0')).toMatch(tool.missing)
      expect(await install('shared-lib', '9.9.9')).toMatch(tool.noVersion)
      const again = publishWith(tool, npm, { name: scopedName(tool), version: '1.0.0' }, '"other bytes"')
      await expect(again).rejects.toThrow(tool.taken)
    })

    if (cooldown === undefined) return
    it('finds out how old each version is', { timeout: LIMIT_MS }, async () => {
      await using npm = await npmToolAt(tool, `${world.url}/npm/`, ...(cooldown.settings ?? []))
      const folder = await npm.folder('young', appWith({ 'shared-lib': '^1.0.0' }), tool.files)
      expect(await npm.failure(folder, ...tool.install, ...(cooldown.args ?? []))).toMatch(cooldown.young)
    })
  })
}

describe('e2e/clients', () => {
  it('meet no bug of the depot', () => expect(world.bugs).toEqual([]))
})
