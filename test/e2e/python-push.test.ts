import { mkdir, writeFile } from 'node:fs/promises'
import path from 'node:path'

import { describe, expect, it } from 'vitest'

import { attestation } from '../helpers/attestation.ts'
import { describeWith } from '../helpers/have.ts'
import { killedImport } from '../helpers/killed-import.ts'
import { pythonClient } from '../helpers/python-client.ts'
import { installedValues, PYTHON_INSTALLERS, PYTHON_LOCKERS } from '../helpers/python-installers.ts'
import { pythonFolder, uploadBackends } from '../helpers/python-project.ts'
import { runDepot } from '../helpers/run-depot.ts'
import { tempDir, type TempDir } from '../helpers/temp-dir.ts'
import { buildSdist, buildWheel, type BuiltFile } from '../helpers/wheel.ts'
import { startWorld, type World } from '../helpers/world.ts'

const LIMIT_MS = 300_000
const UPLOADED = '2019-05-05T05:05:05.123456Z'
const FILES = [
  buildWheel({ name: 'My.Pkg_x', version: '1.0', requires: ['deep-one>=1'] }),
  buildSdist({ name: 'My.Pkg_x', version: '1.0' }),
  buildWheel({ name: 'deep-one', version: '2.0+local.1' }),
  buildWheel({ name: 'deep-one', version: '3.0' }),
]
const YANKED = '3.0'
const REQUIREMENTS = ['My.Pkg_x', 'deep-one']
const MODULES = ['my_pkg_x', 'deep_one']

/** A folder as `depot python save` leaves it. */
async function savedFolder(files: readonly BuiltFile[], yanked?: string): Promise<TempDir> {
  const folder = await tempDir('saved')
  for (const { filename, sha256, bytes } of files) {
    const at = folder.join(filename.split('-')[0]?.replaceAll('_', '-') ?? '', filename)
    await mkdir(path.dirname(at), { recursive: true })
    await writeFile(at, bytes)
    const bundle = { publisher: { kind: 'GitHub' }, attestations: [attestation({ filename, sha256 })] }
    await writeFile(`${at}.provenance`, JSON.stringify({ version: 1, attestation_bundles: [bundle] }))
    const entry = {
      filename,
      url: `https://files.example.org/${filename}`,
      hashes: { sha256 },
      size: bytes.byteLength,
      'upload-time': UPLOADED,
      yanked: yanked !== undefined && filename.includes(`-${yanked}-`) ? 'withdrawn' : false,
    }
    await writeFile(`${at}.json`, JSON.stringify(entry))
  }
  return folder
}

async function filesOf(world: World, project: string): Promise<readonly Record<string, unknown>[]> {
  const headers = { Accept: 'application/vnd.pypi.simple.v1+json' }
  const response = await world.fetch(`/python/simple/${project}/`, { headers })
  return ((await response.json()) as { files: Record<string, unknown>[] }).files
}

describe.each(PYTHON_INSTALLERS)('what was pushed', ({ part, name, install, cooldown }) => {
  describeWith([part, 'python'], `e2e: installing with ${name}`, () => {
    it('is installed by hash, without what its index had yanked', { timeout: LIMIT_MS }, async () => {
      await using world = await startWorld()
      await using saved = await savedFolder(FILES, YANKED)
      expect(await runDepot(['python', 'push', world.url, '--dir', saved.path])).toMatchObject({ status: 0 })
      await using client = await pythonClient()
      const [wheel, sdist, deep] = FILES
      const pins = `My.Pkg_x==1.0 --hash=sha256:${wheel?.sha256} --hash=sha256:${sdist?.sha256}\ndeep-one==2.0+local.1 --hash=sha256:${deep?.sha256}\n`
      const hashed = await pythonFolder(client, world.url, 'hashed', { 'requirements.txt': pins })
      expect(await install(hashed, '--require-hashes')).toMatchObject({ status: 0 })
      expect(await installedValues(hashed, 'target', MODULES)).toEqual(['1.0', '2.0+local.1'])
      const open = await pythonFolder(client, world.url, 'open', { 'requirements.txt': REQUIREMENTS.join('\n') })
      // What is older than a year there is what was older at the index.
      expect(await install(open, ...(cooldown?.args ?? []))).toMatchObject({ status: 0 })
      expect(await installedValues(open, 'target', MODULES)).toEqual(['1.0', '2.0+local.1'])
    })
  })
})

describe.each(PYTHON_LOCKERS)('what was pushed', (locker) => {
  describeWith([locker.part, 'backends', 'python'], `e2e: locking with ${locker.name}`, () => {
    it('is locked with its hashes and installed from the lock', { timeout: LIMIT_MS }, async () => {
      await using world = await startWorld()
      await using saved = await savedFolder(FILES, YANKED)
      expect(await runDepot(['python', 'push', world.url, '--dir', saved.path])).toMatchObject({ status: 0 })
      // pdm installs the project itself too.
      await uploadBackends(world.url)
      await using client = await pythonClient()
      const files = locker.project(world.url, ['My.Pkg_x==1.0'])
      const folder = await pythonFolder(client, world.url, 'app', files)
      expect(await locker.lock(folder)).toMatchObject({ status: 0 })
      await locker.sync(folder)
      expect(await installedValues(folder, '.venv', MODULES)).toEqual(['1.0', '2.0+local.1'])
    })
  })
})

describe('depot python push', () => {
  it(
    'that is killed again and again leaves whole files, and the next one sends the rest',
    { timeout: LIMIT_MS },
    async () => {
      const files = Array.from({ length: 120 }, (_, number) =>
        buildWheel({ name: `killed-${number % 7}`, version: `1.${number}` }),
      )
      await using world = await startWorld()
      await using saved = await savedFolder(files)
      const known = new Set<string>()
      for (let round = 0; round < ROUNDS; round++) {
        const sent = await killedImport(['python', 'push', world.url, '--dir', saved.path], 1 + (round % 5))
        // Nothing is sent again that was told of.
        expect(sent.filter((item) => known.has(item))).toEqual([])
        for (const item of sent) known.add(item)
        if (round % 5 === 0) await expectWhole(world, files)
      }
      const last = await runDepot(['python', 'push', world.url, '--dir', saved.path])
      expect(last).toMatchObject({ status: 0, stderr: '' })
      const found = await expectWhole(world, files)
      expect(found).toHaveLength(files.length)
      expect(found.every((file) => file['upload-time'] === UPLOADED && typeof file['provenance'] === 'string')).toBe(
        true,
      )
      const again = await runDepot(['python', 'push', world.url, '--dir', saved.path])
      expect(again.stdout).toBe(`sent 0 (0 bytes), ${files.length} there already, 0 failed\n`)
      const audited = (await world.depot.kv.audit(0, 10_000)).map(({ resource }) => resource)
      expect(new Set(audited).size).toBe(audited.length)
      expect(world.bugs).toEqual([])
    },
  )
})

const ROUNDS = 20

/** Whatever a depot lists has the bytes that it says. Returns all of it. */
async function expectWhole(world: World, files: readonly BuiltFile[]): Promise<readonly Record<string, unknown>[]> {
  const projects = [...new Set(files.map(({ filename }) => filename.split('-')[0]?.replaceAll('_', '-') ?? ''))]
  const pages = await Promise.all(
    projects.map(async (project) => {
      const { status } = await world.fetch(`/python/simple/${project}/`)
      return status === 404 ? [] : filesOf(world, project)
    }),
  )
  const found = pages.flat()
  for (const { filename, hashes } of found) {
    const file = files.find((one) => one.filename === filename)
    expect(hashes).toEqual({ sha256: file?.sha256 })
    const project = String(filename).split('-')[0]?.replaceAll('_', '-') ?? ''
    const bytes = await (await world.fetch(`/python/files/${project}/${String(filename)}`)).bytes()
    expect(file?.bytes.equals(bytes)).toBe(true)
  }
  return found
}
