import { readFile } from 'node:fs/promises'
import path from 'node:path'

import { afterAll, beforeAll, describe, expect, it } from 'vitest'

import { describeWith, have } from '../helpers/have.ts'
import { type PythonClient, type Ran, pythonClient } from '../helpers/python-client.ts'
import { installedValues, PYTHON_INSTALLERS, PYTHON_LOCKERS } from '../helpers/python-installers.ts'
import { projectFiles, pythonFolder, type PythonFolder, upload, uploadBackends } from '../helpers/python-project.ts'
import {
  PUBLISHED_VERSION,
  pyprojectOf,
  PYTHON_PUBLISHERS,
  type PythonPublisher,
  SHARED,
} from '../helpers/python-publishers.ts'
import { buildWheel, moduleName } from '../helpers/wheel.ts'
import { startWorld, type World } from '../helpers/world.ts'

const LIMIT_MS = 180_000
/** Installers of which each builds in a way of its own. */
const FROM_SOURCE = new Set<string>(['pip19', 'pip', 'uv'])
const publishers = PYTHON_PUBLISHERS.filter(({ part, with: others = [] }) =>
  [part, ...others].every((one) => have[one]),
)
const modules = ['shared_lib_x', ...publishers.map(({ project }) => moduleName(project))]
const values = ['1.0', ...publishers.map(({ part }) => `from ${part}`)]
/** Names as their authors spell them, as the index does, and with a local version. */
const requirements = publishers.map(
  ({ project }, index) =>
    [project, project.toLowerCase().replace(/[._]/g, '-'), `${project}==${PUBLISHED_VERSION}`][index % 3] ?? project,
)

let world: World
let author: PythonClient
const published = new Map<PythonPublisher, Ran>()

beforeAll(async () => {
  world = await startWorld()
  author = await pythonClient()
  await upload(world.url, buildWheel({ name: SHARED, version: '1.0' }))
  if (have.backends) await uploadBackends(world.url)
  await Promise.all(
    publishers.map(async (publisher) => {
      const folder = await projectOf(publisher, `from ${publisher.part}`)
      const ran = publisher.build(folder).then(() => publisher.publish(folder))
      published.set(publisher, await ran.catch((error: unknown) => ({ status: -1, output: String(error) })))
    }),
  )
}, LIMIT_MS)
afterAll(async () => {
  await author[Symbol.asyncDispose]()
  await world[Symbol.asyncDispose]()
})

function projectOf(publisher: PythonPublisher, value: string): Promise<PythonFolder> {
  const files = projectFiles(publisher.project, value, pyprojectOf(publisher))
  return pythonFolder(author, world.url, `${publisher.part}/${value}`, files)
}

async function filesOf(project: string): Promise<{ filename: string; hashes: { sha256: string } }[]> {
  const name = project.toLowerCase().replace(/[-_.]+/g, '-')
  const response = await world.fetch(`/python/simple/${name}/`, {
    headers: { Accept: 'application/vnd.pypi.simple.v1+json' },
  })
  return ((await response.json()) as { files: { filename: string; hashes: { sha256: string } }[] }).files
}

for (const publisher of PYTHON_PUBLISHERS) {
  const { part, with: others = [], project, taken, skip } = publisher
  describeWith([part, ...others, 'backends', 'python'], `e2e/clients: ${part} publishes`, () => {
    it('the wheel and the sdist that it built, of a name and a version that must be normalised', async () => {
      expect(published.get(publisher)).toMatchObject({ status: 0 })
      const names = (await filesOf(project)).map(({ filename }) => filename)
      expect(names.filter((name) => name.endsWith('.whl'))).toHaveLength(1)
      expect(names.filter((name) => name.endsWith('.tar.gz'))).toHaveLength(1)
      expect(names.every((name) => name.startsWith(`${moduleName(project)}-${PUBLISHED_VERSION}`))).toBe(true)
    })

    it('nothing where other bytes are, and its user can see why', { timeout: LIMIT_MS }, async () => {
      const before = await filesOf(project)
      const folder = await projectOf(publisher, 'other bytes')
      await publisher.build(folder)
      const refused = await publisher.publish(folder)
      expect(refused.status).not.toBe(0)
      expect(refused.output).toMatch(taken)
      if (skip !== undefined) {
        const skipped = await publisher.publish(folder, ...skip.args)
        expect(skipped).toMatchObject({ status: 0, output: expect.stringMatching(skip.says) as unknown })
      }
      expect(await filesOf(project)).toEqual(before)
    })
  })
}

describe.each(PYTHON_INSTALLERS)('installing with $name', ({ part, name, install, missing }) => {
  describeWith([part, 'backends', 'python'], `e2e/clients: ${name}`, () => {
    it('what every client published, with what it depends on', { timeout: LIMIT_MS }, async () => {
      await using client = await pythonClient()
      const folder = await folderWith(client, requirements)
      expect(await install(folder)).toMatchObject({ status: 0 })
      expect(await installedValues(folder, 'target', modules)).toEqual(values)
    })

    it('by hash alone, and nothing that has another', { timeout: LIMIT_MS }, async () => {
      await using client = await pythonClient()
      const projects = [SHARED, ...publishers.map(({ project }) => project)]
      const pins = await Promise.all(projects.map(pinned))
      const folder = await folderWith(client, pins)
      expect(await install(folder, '--require-hashes')).toMatchObject({ status: 0 })
      expect(await installedValues(folder, 'target', modules)).toEqual(values)
      await using other = await pythonClient()
      const wrong = await folderWith(
        other,
        pins.map((pin) => pin.replaceAll(/sha256:\w{8}/g, 'sha256:00000000')),
      )
      const refused = await install(wrong, '--require-hashes')
      expect(refused.status).not.toBe(0)
      expect(refused.output).toMatch(/DO NOT MATCH THE HASHES|Hash mismatch/i)
    })

    it('says so when there is no such project', async () => {
      await using client = await pythonClient()
      const refused = await install(await folderWith(client, ['absent-one']))
      expect(refused.status).not.toBe(0)
      expect(refused.output).toMatch(missing)
    })
  })
})

/** What can be built from source: uv's own backend is a program of many megabytes, which is not among those at hand. */
const SOURCES = publishers.filter(({ part }) => part !== 'uv')

describe.each(PYTHON_INSTALLERS.filter(({ part }) => FROM_SOURCE.has(part)))(
  'building with $name',
  ({ part, name, install }) => {
    describeWith([part, 'backends', 'python'], `e2e/clients: ${name} builds`, () => {
      it('the sdists of every client, with backends from the depot', { timeout: LIMIT_MS }, async () => {
        await using client = await pythonClient()
        const folder = await folderWith(
          client,
          SOURCES.map(({ project }) => project),
        )
        const noBinary = SOURCES.flatMap(({ project }) => ['--no-binary', project.toLowerCase().replace(/[._]/g, '-')])
        expect(await install(folder, ...noBinary)).toMatchObject({ status: 0 })
        const built = SOURCES.map(({ project }) => moduleName(project))
        expect(await installedValues(folder, 'target', built)).toEqual(SOURCES.map((source) => `from ${source.part}`))
      })
    })
  },
)

/** A requirement with the hashes of all its files. */
async function pinned(project: string): Promise<string> {
  const hashes = (await filesOf(project)).map(({ hashes: { sha256 } }) => `--hash=sha256:${sha256}`)
  return `${project}==${project === SHARED ? '1.0' : PUBLISHED_VERSION} ${hashes.join(' ')}`
}

function folderWith(client: PythonClient, lines: readonly string[]): Promise<PythonFolder> {
  return pythonFolder(client, world.url, 'work', { 'requirements.txt': `${lines.join('\n')}\n` })
}

for (const { part, name, project, lockFile, lock, sync, missing } of PYTHON_LOCKERS) {
  describeWith([part, 'backends', 'python'], `e2e/clients: a project of ${name}`, () => {
    it(
      'locks what every client published, and is installed from its lock file elsewhere',
      { timeout: LIMIT_MS },
      async () => {
        await using author = await pythonClient()
        const files = project(world.url, requirements)
        const folder = await pythonFolder(author, world.url, 'app', files)
        expect(await lock(folder)).toMatchObject({ status: 0 })
        const locked = await readFile(path.join(folder.path, lockFile), 'utf8')
        for (const one of publishers) expect(locked).toContain((await filesOf(one.project))[0]?.hashes.sha256)

        await using client = await pythonClient()
        const elsewhere = await pythonFolder(client, world.url, 'elsewhere', { ...files, [lockFile]: locked })
        await sync(elsewhere)
        expect(await installedValues(elsewhere, '.venv', modules)).toEqual(values)
        expect(await readFile(path.join(elsewhere.path, lockFile), 'utf8')).toBe(locked)
      },
    )

    it('is told when there is no such project', { timeout: LIMIT_MS }, async () => {
      await using client = await pythonClient()
      const refused = await lock(await pythonFolder(client, world.url, 'app', project(world.url, ['absent-one'])))
      expect(refused.status).not.toBe(0)
      expect(refused.output.replaceAll(/\s+/g, ' ')).toMatch(missing)
    })
  })
}

describe('e2e/clients', () => {
  it('meet no bug of the depot', () => expect(world.bugs).toEqual([]))
})
