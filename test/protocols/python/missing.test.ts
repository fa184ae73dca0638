import assert from 'node:assert/strict'
import { monitorEventLoopDelay } from 'node:perf_hooks'

import { afterAll, beforeAll, describe, expect, it } from 'vitest'

import { blobLocation } from '../../../src/blobs/blob-location.ts'
import { LIMITS } from '../../../src/limits.ts'
import { makeLoginKey } from '../../helpers/forged-logins.ts'
import { makeToken } from '../../helpers/guarded-routes.ts'
import { storedFilesOf } from '../../helpers/stored-files.ts'
import { buildSdist, buildWheel, type BuiltFile } from '../../helpers/wheel.ts'
import { startWorld, type World } from '../../helpers/world.ts'

const HERE = buildWheel({ name: 'My.Pkg_x', version: '1.0', requiresPython: '>=3.8' })
const GONE = buildSdist({ name: 'My.Pkg_x', version: '1.0' })
const HIDDEN = buildWheel({ name: 'secret', version: '1.0' })
const CLOSED = buildWheel({ name: 'closed', version: '1.0' })
const key = makeLoginKey()

let world: World
const tokens = new Map<string, string>()

beforeAll(async () => {
  world = await startWorld({ authFile: `w ${key.line} team@test`, settings: { 'read-auth': 'always' } })
  tokens.set('all', await makeToken(world.url, key, ['*:*:*']))
  tokens.set('some', await makeToken(world.url, key, ['python:read:my-*']))
  for (const file of [HERE, GONE, HIDDEN, CLOSED]) {
    const project = file.filename.split('-')[0] ?? ''
    assert.equal((await send('all', 'PUT', `${project}/${file.filename}`, Uint8Array.from(file.bytes))).status, 201)
  }
  await send('all', 'POST', '-/projects/my-pkg-x/deletions', JSON.stringify({ file: GONE.filename }))
  await send('all', 'POST', '-/projects/closed/status', JSON.stringify({ status: 'archived' }))
})

afterAll(async () => {
  assert.deepEqual(world.bugs, [])
  await world[Symbol.asyncDispose]()
})

function send(who: string, method: string, at: string, body?: RequestInit['body']): Promise<Response> {
  const headers = { Authorization: `Bearer ${tokens.get(who) ?? ''}`, 'Content-Type': 'application/json' }
  return world.fetch(`/python/${at}`, { method, headers, ...(body === undefined ? {} : { body }) })
}

async function ask(files: readonly object[], who = 'all'): Promise<readonly object[]> {
  const response = await send(who, 'POST', '-/missing', JSON.stringify({ files }))
  expect(response.status).toBe(200)
  return ((await response.json()) as { files: object[] }).files
}

const about = ({ filename, sha256 }: Pick<BuiltFile, 'filename' | 'sha256'>) => ({ file: filename, sha256 })
const sha256 = 'a'.repeat(64)

describe('POST -/missing', () => {
  it('tells of each file in order what is here', async () => {
    const never = buildWheel({ name: 'My.Pkg_x', version: '2.0' })
    const nobody = buildWheel({ name: 'nobody', version: '2.0' })
    expect(await ask([about(HERE), about(never), about(nobody), about(GONE)])).toEqual([
      { state: 'here', uploadTime: expect.any(String) as unknown, yanked: false, requiresPython: true },
      { state: 'missing' },
      { state: 'missing' },
      { state: 'deleted' },
    ])
  })

  it('tells of other bytes, and of the same name in another spelling', async () => {
    const spelt = { file: HERE.filename.replace('1.0', '01.0'), sha256: HERE.sha256 }
    expect(await ask([{ ...about(HERE), sha256 }, spelt])).toEqual([
      { state: 'other', sha256: HERE.sha256 },
      { state: 'other', sha256: HERE.sha256, file: HERE.filename },
    ])
  })

  it('tells what cannot be sent: a project that is closed, a name that is none of a distribution', async () => {
    const other = buildSdist({ name: 'closed', version: '1.0' })
    expect(await ask([about(other), about(CLOSED), { file: 'a.egg', sha256 }, { file: '../x', sha256 }])).toEqual([
      { state: 'closed', status: 'archived' },
      expect.objectContaining({ state: 'here' }),
      { state: 'impossible' },
      { state: 'impossible' },
    ])
  })

  it('says of a project that somebody may not know what it says of one that is not there', async () => {
    expect(await ask([about(HIDDEN), about(HERE)], 'some')).toEqual([
      { state: 'missing' },
      expect.objectContaining({ state: 'here' }),
    ])
    expect(await ask([{ ...about(HIDDEN), sha256 }], 'some')).toEqual([{ state: 'missing' }])
  })

  it('changes nothing, and needs only the right to read', async () => {
    const before = (await world.depot.kv.audit(0, 1000)).length
    await ask([about(HERE), about(GONE), { ...about(HERE), sha256 }], 'some')
    expect((await world.depot.kv.audit(0, 1000)).length).toBe(before)
    expect((await send('nobody', 'POST', '-/missing', '{"files":[]}')).status).toBe(401)
  })

  it('calls a file missing whose bytes storage has lost', async () => {
    const lost = buildWheel({ name: 'lost', version: '1.0' })
    await send('all', 'PUT', `lost/${lost.filename}`, Uint8Array.from(lost.bytes))
    expect(await ask([about(lost)])).toMatchObject([{ state: 'here' }])
    await storedFilesOf(world.dir).write(blobLocation('main', lost.sha256), Buffer.alloc(10))
    expect((await send('all', 'GET', `lost/${lost.filename}`)).status).toBe(404)
    expect(await ask([about(lost)])).toEqual([{ state: 'missing' }])
  })

  it.each<[string, string, number]>([
    ['no JSON', '{', 400],
    ['a list', '[]', 400],
    ['something else', '{"files":[{"file":1,"sha256":"x"}]}', 400],
    ['a digest of other letters', JSON.stringify({ files: [{ file: HERE.filename, sha256: 'A'.repeat(64) }] }), 400],
    ['a further field', JSON.stringify({ files: [{ ...about(HERE), project: 'x' }] }), 400],
    ['too many', JSON.stringify({ files: Array(LIMITS.pythonMissingFilesMax + 1).fill(about(HERE)) }), 400],
    ['too much', JSON.stringify({ files: [{ file: 'x'.repeat(LIMITS.missingBodyBytesMax), sha256 }] }), 413],
  ])('refuses %s', async (_, body, status) => {
    expect((await send('all', 'POST', '-/missing', body)).status).toBe(status)
  })

  it('lets others have their turn while it looks at names that stand for thousands of tags', async () => {
    const set = (tag: string): string => Array(61).fill(tag).join('.')
    const files = Array.from({ length: LIMITS.pythonMissingFilesMax }, (_, index) => {
      return { file: `my_pkg_x-1-${set('a')}-${set('b')}-${index % 10}.whl`, sha256 }
    })
    // A busy machine stands still now and then; work that lets nobody in does so each time.
    let longestMs = Infinity
    for (let tries = 0; tries < 5 && longestMs >= 200; tries++) {
      const delay = monitorEventLoopDelay({ resolution: 5 })
      delay.enable()
      expect(await ask(files)).toHaveLength(LIMITS.pythonMissingFilesMax)
      delay.disable()
      longestMs = Math.min(longestMs, delay.max / 1e6)
    }
    expect(longestMs).toBeLessThan(200)
  })

  it('answers the longest list, of one name many times too', async () => {
    const files = Array.from({ length: LIMITS.pythonMissingFilesMax }, () => about(HERE))
    expect(await ask(files)).toHaveLength(LIMITS.pythonMissingFilesMax)
    expect(await ask([])).toEqual([])
  })
})
