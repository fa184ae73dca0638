import { readFile } from 'node:fs/promises'
import path from 'node:path'

import { afterAll, beforeAll, expect, it } from 'vitest'

import type { ReadLock } from '../../protocols/npm/locks/locked-package.ts'
import { readLock } from '../../protocols/npm/locks/read-lock.ts'
import { describeWith } from '../helpers/have.ts'
import { startLockWorld, startPlainFiles } from '../helpers/lock-world.ts'
import { NPM_TOOLS, npmToolAt, type NpmTool } from '../helpers/npm-tools.ts'
import type { World } from '../helpers/world.ts'

const LIMIT_MS = 180_000
const OVERRIDES = { 'shared-lib': '1.1.0' }
const APP = {
  name: 'app',
  version: '0.0.0',
  private: true,
  license: 'MIT',
  workspaces: ['packages/*'],
  dependencies: {
    '@acme/app': '^2.0.0',
    renamed: 'npm:shared-lib@1.0.0',
    native: '1.0.0',
    overridden: '1.0.0',
    bundler: '1.0.0',
  },
  overrides: OVERRIDES,
  resolutions: OVERRIDES,
}
const WORKSPACE = JSON.stringify({ name: 'one', version: '1.0.0', dependencies: { '@acme/app': '2.0.0' } })
const PNPM_WORKSPACE = 'packages: ["packages/*"]\noverrides:\n  shared-lib: 1.1.0\n'

let world: World
let plain: Awaited<ReturnType<typeof startPlainFiles>>

beforeAll(async () => {
  world = await startLockWorld()
  plain = await startPlainFiles()
}, LIMIT_MS)
afterAll(async () => {
  await world[Symbol.asyncDispose]()
  await plain[Symbol.asyncDispose]()
})

async function lockOf(tool: NpmTool, app: object, files: Readonly<Record<string, string>>): Promise<ReadLock> {
  const settings = tool.client === 'yarnBerry' ? ['approvedGitRepositories: ["**"]'] : []
  await using client = await npmToolAt(tool, `${world.url}/npm/`, ...settings)
  const folder = await client.folder('app', app, { ...tool.files, ...files })
  // npm 12 takes nothing from elsewhere unless it is told to.
  const elsewhere = tool.client === 'npm12' ? ['--allow-git=all', '--allow-remote=all'] : []
  await client.run(folder, ...tool.install, ...elsewhere)
  return readLock(tool.lockFile, await readFile(path.join(folder, tool.lockFile), 'utf8'))
}

for (const tool of NPM_TOOLS) {
  const { client, label } = tool
  const isYarn = client === 'yarn' || client === 'yarnBerry'
  describeWith(client, `e2e/lock files of ${label}`, () => {
    it(
      'name every package by its own name, for all platforms, and neither workspaces nor what is bundled',
      { timeout: LIMIT_MS },
      async () => {
        const { packages, others } = await lockOf(tool, APP, {
          'packages/one/package.json': WORKSPACE,
          ...(client.startsWith('pnpm') ? { 'pnpm-workspace.yaml': PNPM_WORKSPACE } : {}),
        })
        expect(others).toEqual([])
        expect(packages.map(({ name, version }) => `${name}@${version}`).toSorted()).toEqual([
          '@acme/app@2.0.0',
          '@acme/linux@1.0.0',
          '@acme/windows@1.0.0',
          'bundler@1.0.0',
          // Both yarns fetch what a tarball brings along.
          ...(isYarn ? ['inner@1.0.0'] : []),
          'native@1.0.0',
          'overridden@1.0.0',
          // An override is about a name, and this one is installed under another.
          'shared-lib@1.0.0',
          'shared-lib@1.1.0',
        ])
        for (const { name, version, integrity, resolved } of packages) {
          const tarball = `/npm/${name}/-/${name.replace(/.*\//, '')}-${version}.tgz`
          if (resolved !== undefined) expect(resolved).toBe(world.url + tarball)
          const dist = await distOf(name, version)
          expect(integrity).toBe(client === 'yarnBerry' ? undefined : dist.integrity)
        }
      },
    )

    it('say where optional packages run, as far as they say anything', { timeout: LIMIT_MS }, async () => {
      const { packages } = await lockOf(tool, { ...APP, workspaces: [] }, {})
      const windows = packages.find(({ name }) => name === '@acme/windows')
      const linux = packages.find(({ name }) => name === '@acme/linux')
      expect([windows?.os, windows?.cpu]).toEqual(client === 'yarn' ? [undefined, undefined] : [['win32'], ['arm64']])
      expect(linux?.libc).toEqual(client === 'yarn' || client === 'npm10' ? undefined : ['glibc'])
      expect(windows?.optional).toBe(client.startsWith('npm') || client.startsWith('pnpm'))
      expect(packages.find(({ name }) => name === 'native')?.optional).toBe(false)
    })

    it('name what comes from git, from a plain address, and from the project', { timeout: LIMIT_MS }, async () => {
      const dependencies = {
        'from-git': `git+${plain.url}/repo.git`,
        tarred: `${plain.url}/tarred.tgz`,
        local: 'file:./local',
      }
      const files = { 'local/package.json': '{"name":"local","version":"1.0.0"}' }
      const { packages, others } = await lockOf(tool, { name: 'app', version: '0.0.0', dependencies }, files)
      expect(packages).toEqual([])
      const broken = others.filter(({ breaks }) => breaks)
      expect(broken.map(({ reason }) => reason).toSorted()).toEqual([
        'a git repository',
        'a tarball that is no package of a registry',
      ])
      expect(broken.map(({ item }) => item.replace(/@.*/, '')).toSorted()).toEqual(['from-git', 'tarred'])
      for (const { url } of broken) expect(url).toContain(plain.url)
    })
  })
}

interface Dist {
  readonly integrity: string
}

async function distOf(name: string, version: string): Promise<Dist> {
  const manifest = (await (await world.fetch(`/npm/${name}/${version}`)).json()) as { dist: Dist }
  return manifest.dist
}
