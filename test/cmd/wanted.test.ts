import { describe, expect, it } from 'vitest'

import { createDepot } from '../../src/create-depot.ts'
import type { Depot } from '../../src/depot.ts'
import { DepotError } from '../../src/errors.ts'
import { SILENT_EVENTS } from '../../src/events.ts'
import { MAIN_CACHE } from '../../src/kv-store.ts'
import { LIMITS } from '../../src/limits.ts'
import { createWantedNotes, forgetWanted, heldAs, wantedNames } from '../../src/wanted.ts'
import { cliUser, depotFor } from '../helpers/cli-user.ts'
import { describeWith } from '../helpers/have.ts'
import { nixUpload } from '../helpers/nix-upload.ts'
import { publish } from '../helpers/npm-world.ts'
import { postForm, uploadForm } from '../helpers/python-upload.ts'
import { runDepot } from '../helpers/run-depot.ts'
import { buildWheel } from '../helpers/wheel.ts'
import { startWorld, type World } from '../helpers/world.ts'

const HASH = '0'.repeat(32)
const WHEEL = 'greeting-1.0-py3-none-any.whl'

async function listed(world: World, ecosystem: string, ...flags: readonly string[]): Promise<string[]> {
  const { status, stdout, stderr } = await runDepot(['wanted', ecosystem, world.url, ...flags])
  expect([status, stderr]).toEqual([0, ''])
  return stdout.split('\n').filter((line) => line !== '')
}

async function ask(world: World, ...paths: readonly string[]): Promise<void> {
  for (const path of paths) expect([path, (await world.fetch(path)).status]).toEqual([path, 404])
}

describe('depot wanted', () => {
  it('lists once what clients asked for in vain, as save takes it', async () => {
    await using world = await startWorld()
    await ask(world, '/npm/express', '/npm/express', '/express', '/npm/@acme%2fbutton')
    await ask(world, '/npm/express/-/express-4.0.0.tgz', '/npm/express/-/other-4.0.0.tgz', '/npm/express/9.9.9')
    await ask(world, '/python/simple/greeting/', `/python/files/greeting/${WHEEL}`, `/python/files/other/${WHEEL}`)
    await ask(world, `/nix/${HASH}.narinfo`, `/${HASH}.narinfo`, `/nix/nar/${'0'.repeat(52)}.nar`)
    expect(await listed(world, 'npm')).toEqual(['@acme/button', 'express', 'express@4.0.0'])
    expect(await listed(world, 'python')).toEqual(['greeting', 'greeting==1.0'])
    expect(await listed(world, 'nix')).toEqual([HASH])
    expect(world.bugs).toEqual([])
  })

  it('keeps no credentials that somebody put into an address', async () => {
    await using world = await startWorld()
    await ask(world, '/npm/dpt_secretsecretsecret', '/npm/a/-/a-1.0.0-dpt_secret.tgz')
    expect(await listed(world, 'npm')).toEqual([])
  })

  it('no longer lists what has come', async () => {
    await using world = await startWorld()
    const upload = await nixUpload('what was wanted')
    await ask(world, '/npm/button', '/python/simple/greeting/', `/python/files/greeting/${WHEEL}`)
    await ask(world, `/nix/${upload.storeHash}.narinfo`)
    await publish(world, { name: 'button', version: '1.0.0' })
    await postForm(world.url, uploadForm(buildWheel({ name: 'greeting', version: '1.0' })))
    await world.fetch(`/nix/nar/${upload.fileName}`, { method: 'PUT', body: upload.body })
    await world.fetch(`/nix/${upload.storeHash}.narinfo`, { method: 'PUT', body: upload.narinfo() })
    for (const ecosystem of ['npm', 'python', 'nix']) expect(await listed(world, ecosystem)).toEqual([])
  })

  it('forgets them when it is told to', async () => {
    await using world = await startWorld()
    await ask(world, '/npm/express')
    expect(await listed(world, 'npm', '--clear')).toEqual(['express'])
    expect(await listed(world, 'npm')).toEqual([])
    const [line] = (await world.depot.kv.audit(0, 10)).slice(-1)
    expect(line).toMatchObject({ action: 'npm:delete', resource: 'wanted' })
  })

  it.each([[[]], [['cargo']], [['npm', 'http://x', 'http://y']]])(
    'says what it lists when it is asked for %j',
    async (args) => {
      const { status, stderr } = await runDepot(['wanted', ...args])
      expect([status, stderr]).toEqual([2, expect.stringContaining("'depot wanted npm', python or nix")])
    },
  )
})

describeWith('openssh', 'depot wanted with keys', () => {
  it('tells what others asked for to those who bring things in', async () => {
    await using reader = await cliUser()
    await using writer = await cliUser()
    const [reads, writes] = [await reader.key(), await writer.key()]
    await using world = await depotFor(writer, [
      { right: 'r', key: reads },
      { right: 'w', key: writes },
    ])
    expect((await reader.run(['wanted', 'npm', world.url])).status).toBe(1)
    expect(await writer.ok(['wanted', 'npm', world.url])).toBe('')
  })
})

describe('notes of what is wanted', () => {
  it('are bounded, and make room when things have come', async () => {
    await using world = await startWorld({ blobs: 'memory' })
    const { kv, blobs } = world.depot
    const depot = createDepot({ kv, blobs, events: SILENT_EVENTS })
    const notes = createWantedNotes(depot, () => heldAs('test-thing'))
    for (let index = 0; index < LIMITS.wantedNamesMax + 100; index++) notes.note(MAIN_CACHE, 'test', `name-${index}`)
    await notes.flush()
    expect(await wantedNames(depot, MAIN_CACHE, 'test')).toHaveLength(LIMITS.wantedNamesMax)
    await depot.commit(MAIN_CACHE, { puts: [{ kind: 'test-thing', key: 'name-7', value: '{}' }] })
    notes.note(MAIN_CACHE, 'test', 'later')
    await notes.flush()
    const names = await wantedNames(depot, MAIN_CACHE, 'test')
    expect(names).toHaveLength(LIMITS.wantedNamesMax)
    expect(names).toContain('later')
    expect(names).not.toContain('name-7')
  })

  it('lose the oldest where nothing has come', async () => {
    await using world = await startWorld({ blobs: 'memory' })
    const puts = Array.from({ length: LIMITS.wantedNamesMax }, (_, index) => {
      const at = index === 77 ? 1 : 2
      return { kind: 'wanted-test', key: `name-${index}`, value: JSON.stringify({ at }) }
    })
    for (let at = 0; at < puts.length; at += 1000)
      await world.depot.commit(MAIN_CACHE, { puts: puts.slice(at, at + 1000) })
    const notes = createWantedNotes(world.depot, () => undefined)
    notes.note(MAIN_CACHE, 'test', 'later')
    await notes.flush()
    const names = await wantedNames(world.depot, MAIN_CACHE, 'test')
    expect(names).toHaveLength(LIMITS.wantedNamesMax)
    expect(names).toContain('later')
    expect(names).not.toContain('name-77')
  })

  it('are noted when they are asked for again after they could not be written', async () => {
    await using world = await startWorld({ blobs: 'memory' })
    let fails = true
    const failing: Depot = {
      ...world.depot,
      commit: async (cache, change) => {
        if (fails) throw new DepotError('STORAGE_DOWN', 'the database is down')
        return world.depot.commit(cache, change)
      },
    }
    const notes = createWantedNotes(failing, () => undefined)
    for (fails of [true, false]) {
      notes.note(MAIN_CACHE, 'test', 'name')
      await notes.flush()
    }
    expect(await wantedNames(world.depot, MAIN_CACHE, 'test')).toEqual(['name'])
  })

  it('come back when somebody had them forgotten', async () => {
    await using world = await startWorld({ blobs: 'memory' })
    let now = 0
    const notes = createWantedNotes(
      world.depot,
      () => undefined,
      () => now,
    )
    const asked = async (): Promise<readonly string[]> => {
      notes.note(MAIN_CACHE, 'test', 'name')
      await notes.flush()
      return wantedNames(world.depot, MAIN_CACHE, 'test')
    }
    expect(await asked()).toEqual(['name'])
    await forgetWanted(world.depot, MAIN_CACHE, 'test', ['name'])
    expect(await asked()).toEqual([])
    now += LIMITS.wantedKnownMs
    expect(await asked()).toEqual(['name'])
  })
})
