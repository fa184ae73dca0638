import { readFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import path from 'node:path'

import { afterAll, beforeAll, describe, expect, it } from 'vitest'

import { describeWith } from '../helpers/have.ts'
import { appWith, NPM_TOOLS, npmToolAt, publishWith } from '../helpers/npm-tools.ts'
import { startWorld, type World } from '../helpers/world.ts'

const LIMIT_MS = 180_000

let world: World

beforeAll(async () => {
  world = await startWorld()
})
afterAll(() => world[Symbol.asyncDispose]())

for (const tool of NPM_TOOLS) {
  const { client, label, install, frozen, lockFile, files, unpublish, deleted, gone } = tool
  describeWith(client, `e2e/clients: ${label} and a deleted version`, () => {
    it(
      'chooses another one, unless a lock file wants it, and cannot publish its number again',
      { timeout: LIMIT_MS },
      async () => {
        const name = `fading-${client.toLowerCase()}`
        const registry = `${world.url}/npm/`
        await using author = await npmToolAt(tool, registry)
        await publishWith(tool, author, { name, version: '1.0.0' }, '"stays"')
        await publishWith(tool, author, { name, version: '1.1.0' }, '"goes"')
        const app = await author.folder('app', appWith({ [name]: '^1.0.0' }), files)
        await author.run(app, ...install)
        expect(installed(app, name)).toBe('goes')
        const lock = await readFile(path.join(app, lockFile), 'utf8')

        if (unpublish === undefined) await world.fetch(`/npm/${name}/1.1.0`, { method: 'DELETE' })
        else await author.run(app, ...unpublish, `${name}@1.1.0`)
        await expect(publishWith(tool, author, { name, version: '1.1.0' }, '"goes"')).rejects.toThrow(deleted)

        await using other = await npmToolAt(tool, registry)
        const locked = await other.folder('locked', appWith({ [name]: '^1.0.0' }), { [lockFile]: lock })
        expect(await other.failure(locked, ...frozen)).toMatch(gone)
        const fresh = await other.folder('fresh', appWith({ [name]: '^1.0.0' }), files)
        await other.run(fresh, ...install)
        expect(installed(fresh, name)).toBe('stays')
      },
    )
  })
}

function installed(folder: string, name: string): unknown {
  return createRequire(path.join(folder, 'index.js'))(name)
}

describe('e2e/clients: a deleted version', () => {
  it('is no bug of the depot', () => expect(world.bugs).toEqual([]))
})
