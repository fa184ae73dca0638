import { createRequire } from 'node:module'
import { cp, readFile, rm } from 'node:fs/promises'
import path from 'node:path'

import { describe, expect, it } from 'vitest'

import { packageFacts } from '../../protocols/npm/save/package-facts.ts'
import { resolve } from '../../protocols/npm/save/resolve.ts'
import { parseProject, projectRoots } from '../../protocols/npm/save/roots.ts'
import { randomPackages, randomProject } from '../helpers/random-packages.ts'
import { describeWith, have } from '../helpers/have.ts'
import { npmClient, publishFrom, type NpmClient } from '../helpers/npm-client.ts'
import { publish } from '../helpers/npm-world.ts'
import { runDepot } from '../helpers/run-depot.ts'
import { SEED } from '../helpers/seed.ts'
import { tempDir } from '../helpers/temp-dir.ts'
import { startVerdaccio } from '../helpers/verdaccio.ts'
import { startWorld } from '../helpers/world.ts'
import { seededRandom } from '../faults/artifacts.ts'

/** All versions that npm would install for a project, each `name@version`; undefined when it finds no tree. */
async function lockedBy(client: NpmClient, name: string, packageJson: object): Promise<string[] | undefined> {
  const folder = await client.folder(name, packageJson)
  try {
    await client.run(folder, 'install', '--package-lock-only', '--ignore-scripts')
  } catch (error) {
    if (/ERESOLVE|EOVERRIDE|ETARGET|EBADPLATFORM/.test(String(error))) return undefined
    throw error
  }
  const lock = JSON.parse(await readFile(path.join(folder, 'package-lock.json'), 'utf8')) as {
    packages: Record<string, { name?: string; version: string }>
  }
  return Object.entries(lock.packages)
    .filter(([place]) => place !== '')
    .map(([place, { name: own, version }]) => `${own ?? place.split('node_modules/').at(-1)}@${version}`)
}

/** What is saved for a project from a registry. */
async function foundFor(registry: string, packageJson: object): Promise<ReadonlySet<string>> {
  const facts = async (name: string) => {
    const response = await fetch(registry + name.replace('/', '%2f'), { headers: { accept: 'application/json' } })
    return packageFacts(name, await response.text())
  }
  const known = new Map<string, ReturnType<typeof facts>>()
  const roots = projectRoots(parseProject('package.json', JSON.stringify(packageJson)), [], true)
  const once = (name: string): ReturnType<typeof facts> => {
    const asked = known.get(name) ?? facts(name)
    known.set(name, asked)
    return asked
  }
  const { packages, problems } = await resolve(roots, { facts: once, source: async () => undefined, platforms: [] })
  expect(problems.filter(({ optional }) => !optional)).toEqual([])
  return new Set([...packages].flatMap(([name, versions]) => [...versions].map((version) => `${name}@${version}`)))
}

describeWith('npm12', 'e2e/npm-save: versions', () => {
  it(`that npm locks are among those that are saved, for projects of all kinds (DEPOT_TEST_SEED=${SEED})`, async () => {
    const random = seededRandom(SEED)
    await using world = await startWorld()
    const packages = randomPackages(random)
    for (const own of packages) await publish(world, own)
    await using client = await npmClient('npm12', `${world.url}/npm/`)
    let compared = 0
    for (let round = 0; round < 14; round++) {
      const project = randomProject(random, packages)
      const locked = await lockedBy(client, `project-${round}`, project)
      if (locked === undefined) continue
      const found = await foundFor(`${world.url}/npm/`, project)
      expect({ project, missing: locked.filter((id) => !found.has(id)) }).toEqual({ project, missing: [] })
      compared += locked.length
    }
    expect(compared).toBeGreaterThan(30)
  }, 240_000)
})

describeWith(['npm11', 'npm12'], 'e2e/npm-save: what was saved', () => {
  it('installs behind the air gap, on another platform than the one it was saved on, with and without a lock file', async () => {
    await using outside = await startWorld()
    await using author = await npmClient('npm12', `${outside.url}/npm/`)
    for (const own of [
      { name: '@fast/darwin', version: '1.0.0', os: ['darwin'], cpu: ['arm64'] },
      { name: '@fast/linux', version: '1.0.0', os: ['linux'], cpu: ['x64'] },
      { name: 'fast', version: '1.0.0', optionalDependencies: { '@fast/darwin': '1.0.0', '@fast/linux': '1.0.0' } },
      { name: 'plugin', version: '1.0.0', peerDependencies: { fast: '1' } },
      { name: 'app', version: '2.0.0', dependencies: { quick: 'npm:fast@^1', plugin: '*' } },
    ])
      await publishFrom(author, own)
    const project = { name: 'site', version: '1.0.0', private: true, dependencies: { app: '^2' } }
    const site = await author.folder('site', project)
    await author.run(site, 'install')

    await using carried = await tempDir('carried')
    for (const args of [[path.join(site, 'package-lock.json')], ['app']]) {
      await rm(carried.join('npm'), { recursive: true, force: true })
      const save = ['npm', 'save', '--registry', `${outside.url}/npm/`, '--dir', carried.join('npm'), ...args]
      expect(await runDepot(save)).toMatchObject({ status: 0, stderr: '' })
      await using inside = await startWorld()
      expect(await runDepot(['npm', 'push', inside.url, '--dir', carried.join('npm')])).toMatchObject({ status: 0 })
      for (const npm of ['npm11', 'npm12'] as const) {
        await using client = await npmClient(npm, `${inside.url}/npm/`)
        const again = await client.folder('site', project)
        await cp(path.join(site, 'package-lock.json'), path.join(again, 'package-lock.json'))
        await client.run(again, 'ci', '--os', 'darwin', '--cpu', 'arm64', '--replace-registry-host=always')
        expect(createRequire(path.join(again, 'index.js'))('@fast/darwin')).toBe('@fast/darwin@1.0.0')
        const fresh = await client.folder('fresh', project)
        await client.run(fresh, 'install', '--os', 'darwin', '--cpu', 'arm64')
        expect(createRequire(path.join(fresh, 'index.js'))('quick')).toBe('fast@1.0.0')
      }
    }
  }, 180_000)
})

describeWith('verdaccio', 'e2e/npm-save: a Verdaccio', () => {
  it('is saved from as any registry is', async () => {
    await using verdaccio = await startVerdaccio()
    await using author = await npmClient('npm', verdaccio.url)
    await publishFrom(author, { name: '@acme/lib', version: '1.0.0' })
    await publishFrom(author, { name: 'app', version: '1.0.0', dependencies: { '@acme/lib': '^1' } })
    await using carried = await tempDir('carried')
    const args = ['npm', 'save', 'app', '--registry', verdaccio.url, '--dir', carried.path]
    expect(await runDepot(args)).toMatchObject({ status: 0, stdout: expect.stringMatching(/saved 2 \(/) })
    await using inside = await startWorld()
    await runDepot(['npm', 'push', inside.url, '--dir', carried.path])
    await using client = await npmClient('npm', `${inside.url}/npm/`)
    const site = await client.folder('site', { name: 'site', private: true, dependencies: { app: '1' } })
    await client.run(site, 'install')
    expect(createRequire(path.join(site, 'index.js'))('app')).toBe('app@1.0.0')
  }, 120_000)
})

describeWith(['npmRegistry', 'npm12'], "e2e/npm-save: the registry that this machine's npm is set to", () => {
  const project = {
    name: 'site',
    private: true,
    dependencies: { express: '^4', chalk: '4', 'styled-jsx': '5.1.1', 'string-width-cjs': 'npm:string-width@^4' },
    overrides: { debug: { ms: '2.1.2' }, qs: '6.13.0' },
  }

  it('has what npm locks among what is saved', async () => {
    await using client = await npmClient('npm12', have.paths.npmRegistry, [])
    const locked = await lockedBy(client, 'site', project)
    const found = await foundFor(have.paths.npmRegistry, project)
    expect(locked?.length).toBeGreaterThan(60)
    expect(locked?.filter((id) => !found.has(id))).toEqual([])
  }, 180_000)

  it('is saved from, and the depot that gets it installs without any other', async () => {
    await using carried = await tempDir('carried')
    const args = ['npm', 'save', 'chalk@4', '--registry', have.paths.npmRegistry, '--dir', carried.path]
    expect(await runDepot(args)).toMatchObject({ status: 0, stderr: '' })
    await using inside = await startWorld()
    expect(await runDepot(['npm', 'push', inside.url, '--dir', carried.path])).toMatchObject({ status: 0 })
    await using client = await npmClient('npm12', `${inside.url}/npm/`)
    const site = await client.folder('site', { name: 'site', private: true, dependencies: { chalk: '^4' } })
    await client.run(site, 'install')
    expect(createRequire(path.join(site, 'index.js'))('chalk')).toHaveProperty('supportsColor')
  }, 180_000)
})

describe('packages of chance', () => {
  it('have dependencies of every kind', () => {
    const packages = randomPackages(seededRandom(1))
    for (const kind of ['dependencies', 'optionalDependencies', 'peerDependencies', 'peerDependenciesMeta', 'os'])
      expect(packages.some((own) => kind in own)).toBe(true)
  })
})
