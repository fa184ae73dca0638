import { readFile } from 'node:fs/promises'
import path from 'node:path'

import { afterAll, beforeAll, describe, expect, it } from 'vitest'

import { describeWith, have } from '../helpers/have.ts'
import { pythonClient } from '../helpers/python-client.ts'
import { installedValues, PYTHON_INSTALLERS, PYTHON_LOCKERS } from '../helpers/python-installers.ts'
import { projectFiles, pythonFolder, upload } from '../helpers/python-project.ts'
import { PUBLISHED_VERSION, pyprojectOf, PYTHON_PUBLISHERS } from '../helpers/python-publishers.ts'
import { buildWheel, moduleName } from '../helpers/wheel.ts'
import { startWorld, type World } from '../helpers/world.ts'

const LIMIT_MS = 180_000
const STAYS = buildWheel({ name: 'fading', version: '1.0' })
const GOES = buildWheel({ name: 'fading', version: '1.1' })
const lockers = PYTHON_LOCKERS.filter(({ part }) => have[part])
/** Lock files from before the deletion. */
const locks = new Map<string, string>()

let world: World

beforeAll(async () => {
  world = await startWorld()
  await upload(world.url, STAYS, GOES)
  for (const { part, project, lock, lockFile } of lockers) {
    await using client = await pythonClient()
    const folder = await pythonFolder(client, world.url, 'app', project(world.url, ['fading']))
    const { status, output } = await lock(folder)
    if (status !== 0) throw new Error(output)
    locks.set(part, await readFile(path.join(folder.path, lockFile), 'utf8'))
  }
  await deleteVersion('fading', '1.1')
}, LIMIT_MS)
afterAll(() => world[Symbol.asyncDispose]())

async function deleteVersion(project: string, version: string): Promise<void> {
  const body = JSON.stringify({ version })
  const response = await world.fetch(`/python/-/projects/${project}/deletions`, { method: 'POST', body })
  if (!response.ok) throw new Error(`${response.status} ${await response.text()}`)
}

for (const { part, name, install } of PYTHON_INSTALLERS) {
  describeWith([part, 'python'], `e2e/clients: ${name} and a deleted version`, () => {
    it('takes another one, and says so when that one is wanted', { timeout: LIMIT_MS }, async () => {
      await using client = await pythonClient()
      const folder = await pythonFolder(client, world.url, 'any', { 'requirements.txt': 'fading\n' })
      expect(await install(folder)).toMatchObject({ status: 0 })
      expect(await installedValues(folder, 'target', ['fading'])).toEqual(['1.0'])
      const pinned = await pythonFolder(client, world.url, 'pinned', { 'requirements.txt': 'fading==1.1\n' })
      const refused = await install(pinned)
      expect(refused.status).not.toBe(0)
      expect(refused.output).toMatch(
        /No matching distribution found for fading==1\.1|there is no version of fading==1\.1/,
      )
    })
  })
}

for (const { part, name, project, lockFile, lock, sync } of PYTHON_LOCKERS) {
  describeWith([part, 'python'], `e2e/clients: a lock file of ${name} with a deleted version`, () => {
    it('cannot be installed from, and a new one does without it', { timeout: LIMIT_MS }, async () => {
      const old = locks.get(part) ?? ''
      expect(old).toContain(GOES.sha256)
      await using client = await pythonClient()
      const files = project(world.url, ['fading'])
      const folder = await pythonFolder(client, world.url, 'old', { ...files, [lockFile]: old })
      await expect(sync(folder)).rejects.toThrow(/fading[^]*(404|1\.1)/)
      const anew = await pythonFolder(client, world.url, 'new', files)
      expect(await lock(anew)).toMatchObject({ status: 0 })
      const text = await readFile(path.join(anew.path, lockFile), 'utf8')
      expect(text).toContain(STAYS.sha256)
      expect(text).not.toContain(GOES.sha256)
    })
  })
}

for (const publisher of PYTHON_PUBLISHERS) {
  const { part, project, publish } = publisher
  describeWith([part, 'python'], `e2e/clients: ${part} and a deleted version`, () => {
    it('cannot publish it again, not even the same bytes', { timeout: LIMIT_MS }, async () => {
      await using client = await pythonClient()
      const wheel = buildWheel({ name: project, version: PUBLISHED_VERSION })
      const files = projectFiles(project, 'again', pyprojectOf(publisher))
      const folder = await pythonFolder(client, world.url, 'work', files)
      await client.write(`work/dist/${wheel.filename}`, wheel.bytes)
      expect(await publish(folder)).toMatchObject({ status: 0 })
      await deleteVersion(project, PUBLISHED_VERSION)
      const refused = await publish(folder)
      expect(refused.status).not.toBe(0)
      expect(refused.output.replaceAll(/\s+/g, ' ')).toMatch(part === 'pdm' ? /409/ : /deleted/)
      expect((await world.fetch(`/python/simple/${moduleName(project).replaceAll('_', '-')}/`)).status).toBe(404)
    })
  })
}

describe('e2e/clients: a deleted version', () => {
  it('is no bug of the depot', () => expect(world.bugs).toEqual([]))
})
