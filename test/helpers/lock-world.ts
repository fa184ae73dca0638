import { execFile } from 'node:child_process'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { promisify } from 'node:util'

import { cleanEnv } from './clean-env.ts'
import { publishOf, tarballOf, type PackageJson } from './npm-fixtures.ts'
import { publish, put } from './npm-world.ts'
import { tempDir, type TempDir } from './temp-dir.ts'
import { startUpstream, type TestUpstream } from './upstream.ts'
import { startWorld, type World, type WorldOptions } from './world.ts'

/** What the lock files of these tests name: each kind of dependency that a lock file can hold. */
const PUBLISHED: readonly PackageJson[] = [
  { name: 'shared-lib', version: '1.0.0' },
  { name: 'shared-lib', version: '1.1.0' },
  { name: 'shared-lib', version: '2.0.0' },
  { name: '@acme/app', version: '2.0.0', dependencies: { 'shared-lib': '^1.0.0' } },
  { name: '@acme/linux', version: '1.0.0', os: ['linux'], cpu: ['x64'], libc: ['glibc'] },
  { name: '@acme/windows', version: '1.0.0', os: ['win32'], cpu: ['arm64'] },
  {
    name: 'native',
    version: '1.0.0',
    optionalDependencies: { '@acme/linux': '1.0.0', '@acme/windows': '1.0.0' },
  },
  { name: 'overridden', version: '1.0.0', dependencies: { 'shared-lib': '2.0.0' } },
]
const INNER: PackageJson = { name: 'inner', version: '1.0.0' }
const BUNDLER: PackageJson = {
  name: 'bundler',
  version: '1.0.0',
  dependencies: { inner: '1.0.0' },
  bundleDependencies: ['inner'],
}

/** A depot with those packages. */
export async function startLockWorld(options: WorldOptions = {}): Promise<World> {
  const world = await startWorld(options)
  for (const own of [...PUBLISHED, INNER]) await publish(world, own)
  const inside = [
    { name: 'package/node_modules/inner/package.json', content: JSON.stringify(INNER) },
    { name: 'package/node_modules/inner/index.js', content: 'module.exports = "bundled"\n' },
  ]
  await put(world, BUNDLER.name, publishOf(BUNDLER, await tarballOf(BUNDLER, inside)))
  return world
}

/** A plain http server with `tarred.tgz`, and the git repository `repo.git`. */
export async function startPlainFiles(): Promise<TestUpstream & { readonly dir: TempDir }> {
  const dir = await tempDir('plain-files')
  await writeFile(dir.join('tarred.tgz'), await tarballOf({ name: 'tarred', version: '1.0.0' }))
  await makeRepository(dir)
  const server = await startUpstream((request, response) => {
    const file = dir.join(...new URL(request.url ?? '/', 'http://localhost').pathname.split('/'))
    readFile(file).then(
      (bytes) => response.end(bytes),
      () => response.writeHead(404).end(),
    )
  })
  return {
    ...server,
    dir,
    async [Symbol.asyncDispose]() {
      await server[Symbol.asyncDispose]()
      await dir[Symbol.asyncDispose]()
    },
  }
}

/** Served as files, which git calls its dumb protocol. */
async function makeRepository(dir: TempDir): Promise<void> {
  const work = dir.join('work')
  await mkdir(work)
  await writeFile(path.join(work, 'package.json'), JSON.stringify({ name: 'from-git', version: '1.0.0' }))
  const env = cleanEnv(dir.join('home'))
  const who = ['-c', 'user.name=somebody', '-c', 'user.email=somebody@example.org', '-c', 'commit.gpgsign=false']
  const git = (...args: readonly string[]): Promise<unknown> =>
    promisify(execFile)('git', [...who, ...args], { cwd: work, env })
  await git('init', '--quiet', '--initial-branch=main')
  await git('add', '.')
  await git('commit', '--quiet', '--message=first')
  await git('clone', '--quiet', '--bare', work, dir.join('repo.git'))
  await git('--git-dir', dir.join('repo.git'), 'update-server-info')
}
