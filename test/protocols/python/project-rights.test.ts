import assert from 'node:assert/strict'

import { afterAll, beforeAll, expect, it } from 'vitest'

import { python } from '../../../protocols/python/index.ts'
import type { Depot } from '../../../src/depot.ts'
import type { Protocol } from '../../../src/protocol.ts'
import { makeLoginKey } from '../../helpers/forged-logins.ts'
import { makeToken } from '../../helpers/guarded-routes.ts'
import { uploadForm } from '../../helpers/python-upload.ts'
import { buildWheel } from '../../helpers/wheel.ts'
import { startWorld, type World } from '../../helpers/world.ts'

const FILE = buildWheel({ name: 'greeting', version: '1.0' })
const OTHER = buildWheel({ name: 'other', version: '1.0' })
const key = makeLoginKey()

let world: World
const tokens = new Map<string, string>()

beforeAll(async () => {
  world = await startWorld({ authFile: `w ${key.line} team@test` })
  for (const [who, grants] of [
    ['everything', ['*:*:*']],
    ['writer', ['python:write:greeting']],
    ['deleter', ['python:delete:greeting', 'python:read:greeting']],
    ['admin', ['python:write:greeting', 'python:admin:greeting']],
  ] as const)
    tokens.set(who, await makeToken(world.url, key, grants))
  for (const { contentType, body } of [FILE, OTHER].map((file) => uploadForm(file)))
    assert.equal((await send('everything', 'POST', 'legacy/', Uint8Array.from(body), contentType)).status, 200)
})

afterAll(async () => {
  assert.deepEqual(world.bugs, [])
  await world[Symbol.asyncDispose]()
})

function send(
  who: string,
  method: string,
  path: string,
  body?: RequestInit['body'],
  contentType = 'application/json',
  at = world,
): Promise<Response> {
  const headers = { Authorization: `Bearer ${tokens.get(who)}`, 'Content-Type': contentType }
  return at.fetch(`/python/${path}`, { method, headers, ...(body === undefined ? {} : { body }) })
}

const ask = async (who: string, path: string, body: object): Promise<number> =>
  (await send(who, 'POST', `-/projects/${path}`, JSON.stringify(body))).status
const status = (who: string, word: string) => ask(who, 'greeting/status', { status: word })
const yank = { version: '1.0', yanked: true }

it('a yank needs the right to write that very project', async () => {
  expect(await ask('deleter', 'greeting/yanks', yank)).toBe(403)
  expect(await ask('writer', 'other/yanks', yank)).toBe(403)
  expect(await ask('writer', 'greeting/yanks', yank)).toBe(200)
})

it('a status needs the right to write, and quarantine the right to administrate, into it and out', async () => {
  expect(await status('deleter', 'archived')).toBe(403)
  expect(await status('writer', 'archived')).toBe(200)
  expect(await status('writer', 'quarantined')).toBe(403)
  expect(await status('admin', 'quarantined')).toBe(200)
  for (const word of ['active', 'archived', 'deprecated', 'quarantined']) expect(await status('writer', word)).toBe(403)
  expect(await status('admin', 'active')).toBe(200)
})

it('a quarantine that comes between is not lifted by who may only write', async () => {
  // As slow as a database may be at any time: the writer has read how the project stands, and has not written yet.
  const { promise: quarantined, resolve: goOn } = Promise.withResolvers<void>()
  const { promise: arrived, resolve: arrive } = Promise.withResolvers<void>()
  const slow = (depot: Depot): Depot => ({
    ...depot,
    async get(cache, kind, key) {
      const record = await depot.get(cache, kind, key)
      arrive()
      await quarantined
      return record
    },
  })
  const databaseUrl = `sqlite://${world.dir}/depot.db`
  const late: Protocol = { ...python, routes: (depot) => python.routes(slow(depot)) }
  const options = { protocols: [late], databaseUrl, authFile: `w ${key.line} team@test` }
  await using other = await startWorld(options)
  const lifted = send('writer', 'POST', '-/projects/greeting/status', '{"status":"archived"}', undefined, other)
  await arrived
  expect(await status('admin', 'quarantined')).toBe(200)
  goOn()
  expect((await lifted).status).toBe(403)
  const told = (await (await send('everything', 'GET', '-/projects/greeting')).json()) as { status: string }
  expect(told.status).toBe('quarantined')
  expect(await status('admin', 'active')).toBe(200)
})

it('a deletion needs the right to delete, even to look what would go, and forgetting it the right to administrate', async () => {
  expect(await ask('writer', 'greeting/deletions', { all: true, dryRun: true })).toBe(403)
  expect(await ask('admin', 'greeting/deletions', { all: true })).toBe(403)
  expect(await ask('deleter', 'other/deletions', { all: true })).toBe(403)
  expect(await ask('deleter', 'greeting/deletions', { all: true })).toBe(200)
  const tombstone = `-/tombstones/greeting/${FILE.filename}`
  for (const who of ['writer', 'deleter']) expect((await send(who, 'DELETE', tombstone)).status).toBe(403)
  expect((await send('admin', 'DELETE', tombstone)).status).toBe(200)
  expect((await send('everything', 'GET', 'simple/other/')).status).toBe(200)
})
