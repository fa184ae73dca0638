import { readFile } from 'node:fs/promises'
import path from 'node:path'

import { afterAll, beforeAll, describe, expect, it } from 'vitest'

import { describeWith } from '../helpers/have.ts'
import { pythonClient } from '../helpers/python-client.ts'
import { type Cooldown, installedValues, PYTHON_INSTALLERS, PYTHON_LOCKERS } from '../helpers/python-installers.ts'
import { pythonFolder, upload } from '../helpers/python-project.ts'
import { type BuiltFile, buildWheel } from '../helpers/wheel.ts'
import { startWorld, type World } from '../helpers/world.ts'

const LIMIT_MS = 180_000
const OLD = buildWheel({ name: 'choice', version: '1.0' })
const RECENT = buildWheel({ name: 'choice', version: '1.1' })
const YANKED = buildWheel({ name: 'choice', version: '1.2' })
const REASON = 'deletes what it should keep'
const FOREIGN = buildWheel({ name: 'choice', version: '1.3', requiresPython: '>=99' })
const PRE = buildWheel({ name: 'choice', version: '2.0rc1' })

let world: World

beforeAll(async () => {
  world = await startWorld()
  await upload(world.url, OLD, RECENT, YANKED, FOREIGN, PRE)
  await tell(OLD, { 'upload-time': '2024-01-01T00:00:00Z' })
  await tell(YANKED, { yanked: REASON })
})
afterAll(() => world[Symbol.asyncDispose]())

/** Say of a file what another index said of it. */
async function tell({ filename, sha256 }: BuiltFile, fields: object): Promise<void> {
  const response = await world.fetch(`/python/simple/choice/${filename}.json`, {
    method: 'PUT',
    body: JSON.stringify({ filename, hashes: { sha256 }, ...fields }),
  })
  if (!response.ok) throw new Error(`${response.status} ${await response.text()}`)
}

for (const { part, name, install, cooldown } of PYTHON_INSTALLERS) {
  describeWith([part, 'python'], `e2e/clients: of several versions ${name}`, () => {
    async function installed(
      requirement: string,
      ...args: readonly string[]
    ): Promise<{ value: string; output: string }> {
      await using client = await pythonClient()
      const folder = await pythonFolder(client, world.url, 'work', { 'requirements.txt': `${requirement}\n` })
      const { status, output } = await install(folder, ...args)
      if (status !== 0) throw new Error(output)
      const [value = ''] = await installedValues(folder, 'target', ['choice'])
      return { value, output }
    }

    it('takes the newest that is final, not yanked and for this Python', { timeout: LIMIT_MS }, async () => {
      expect((await installed('choice')).value).toBe('1.1')
    })

    it('takes a yanked one when it is pinned, and says why it was yanked', { timeout: LIMIT_MS }, async () => {
      const { value, output } = await installed('choice==1.2')
      expect(value).toBe('1.2')
      expect(output).toMatch(/yanked/)
      expect(output).toContain(REASON)
    })

    if (cooldown === undefined) return
    it('takes the newest that is a year old, when told to', { timeout: LIMIT_MS }, async () => {
      expect((await installed('choice', ...(cooldown.args ?? []))).value).toBe('1.0')
    })
  })
}

for (const { part, name, project, lockFile, lock, cooldown } of PYTHON_LOCKERS) {
  describeWith([part, 'python'], `e2e/clients: of several versions ${name}`, () => {
    async function locked({ args = [], files = {} }: Cooldown = {}): Promise<string> {
      await using client = await pythonClient()
      const folder = await pythonFolder(client, world.url, 'app', { ...project(world.url, ['choice']), ...files })
      expect(await lock(folder, ...args)).toMatchObject({ status: 0 })
      return readFile(path.join(folder.path, lockFile), 'utf8')
    }

    it('locks the newest that is final, not yanked and for this Python', { timeout: LIMIT_MS }, async () => {
      expect(await locked()).toContain(RECENT.sha256)
    })

    if (cooldown === undefined) return
    it('locks the newest that is a year old, when told to', { timeout: LIMIT_MS }, async () => {
      const text = await locked(cooldown)
      expect(text).toContain(OLD.sha256)
      expect(text).not.toContain(RECENT.sha256)
    })
  })
}

describe('e2e/clients: a choice of versions', () => {
  it('meets no bug of the depot', () => expect(world.bugs).toEqual([]))
})
