import assert from 'node:assert/strict'

import { afterAll, beforeAll, describe, expect, it } from 'vitest'

import { LIMITS } from '../../../src/limits.ts'
import { attestation } from '../../helpers/attestation.ts'
import { makeLoginKey } from '../../helpers/forged-logins.ts'
import { makeToken } from '../../helpers/guarded-routes.ts'
import { buildSdist, buildWheel, type BuiltFile } from '../../helpers/wheel.ts'
import { startWorld, type World } from '../../helpers/world.ts'

const key = makeLoginKey()
let world: World
const tokens = new Map<string, string>()
let count = 0

beforeAll(async () => {
  world = await startWorld({ authFile: `w ${key.line} team@test` })
  tokens.set('admin', await makeToken(world.url, key, ['python:*:*']))
  tokens.set('writer', await makeToken(world.url, key, ['python:write:*', 'python:read:*']))
  tokens.set('reader', await makeToken(world.url, key, ['python:read:*']))
})

afterAll(async () => {
  assert.deepEqual(world.bugs, [])
  await world[Symbol.asyncDispose]()
})

function send(who: string, method: string, path: string, body?: RequestInit['body']): Promise<Response> {
  const headers = { Authorization: `Bearer ${tokens.get(who) ?? ''}` }
  return world.fetch(`/python/${path}`, { method, headers, ...(body === undefined ? {} : { body }) })
}

async function stored(): Promise<BuiltFile> {
  const file = buildWheel({ name: `attested-${++count}`, version: '1.0' })
  expect((await send('writer', 'PUT', `attested-${count}/${file.filename}`, Uint8Array.from(file.bytes))).status).toBe(
    201,
  )
  return file
}

function pathOf({ filename }: Pick<BuiltFile, 'filename'>, version = '1.0'): string {
  return `integrity/${filename.split('-')[0]}/${version}/${filename}/provenance`
}

function document(file: Parameters<typeof attestation>[0], kind = 'GitHub'): string {
  const bundle = { publisher: { kind, repository: 'acme/demo', claims: null }, attestations: [attestation(file)] }
  return ` {"attestation_bundles": [${JSON.stringify(bundle)}],\n  "version":1, "later": true}\n`
}

const put = (file: BuiltFile, text: string, who = 'writer') => send(who, 'PUT', pathOf(file), text)

describe('PUT of a provenance', () => {
  it('is served byte for byte, and named on the page', async () => {
    const file = await stored()
    const text = document(file)
    expect((await put(file, text)).status).toBe(201)
    const answer = await send('reader', 'GET', pathOf(file))
    expect(answer.headers.get('content-type')).toBe('application/vnd.pypi.integrity.v1+json')
    expect(await answer.text()).toBe(text)
    const page = await world.fetch(`/python/simple/attested-${count}/`, {
      headers: {
        Accept: 'application/vnd.pypi.simple.v1+json',
        Authorization: `Bearer ${tokens.get('reader') ?? ''}`,
      },
    })
    const { files } = (await page.json()) as { files: { provenance: string | null }[] }
    const url = new URL(files[0]?.provenance ?? '', `${world.url}/python/simple/attested-${count}/`)
    expect(url.pathname).toBe(`/python/integrity/attested-${count}/1.0/${file.filename}/provenance`)
  })

  it('writes an audit line once, and the same bytes again change nothing', async () => {
    const file = await stored()
    const lines = async () =>
      (await world.depot.kv.audit(0, 10_000)).filter(({ resource }) => resource.endsWith(`${file.filename} provenance`))
    expect((await put(file, document(file))).status).toBe(201)
    expect(await lines()).toHaveLength(1)
    expect((await put(file, document(file))).status).toBe(200)
    expect(await lines()).toHaveLength(1)
  })

  it('never replaces another but for an admin', async () => {
    const file = await stored()
    await put(file, document(file))
    const refused = await put(file, document(file, 'GitLab'))
    expect(refused.status).toBe(409)
    expect(await refused.text()).toContain('another provenance')
    expect(await (await send('reader', 'GET', pathOf(file))).text()).toBe(document(file))
    expect((await put(file, document(file, 'GitLab'), 'admin')).status).toBe(200)
    expect(await (await send('reader', 'GET', pathOf(file))).text()).toBe(document(file, 'GitLab'))
  })

  it('keeps one of two that come at once, and the other is refused', async () => {
    const file = await stored()
    const kinds = ['GitHub', 'GitLab', 'Google', 'ActiveState']
    const statuses = await Promise.all(kinds.map(async (kind) => (await put(file, document(file, kind))).status))
    expect(statuses.toSorted((one, other) => one - other)).toEqual([201, 409, 409, 409])
    const kept = kinds[statuses.indexOf(201)]
    expect(await (await send('reader', 'GET', pathOf(file))).text()).toBe(document(file, kept))
  })

  it('takes the subject in the spelling of whoever built it, and no other file', async () => {
    const file = await stored()
    const spelt = { ...file, filename: file.filename.replace('attested_', 'Attested.') }
    expect((await put(file, document(spelt))).status).toBe(201)
    const second = await stored()
    for (const other of [
      { ...second, sha256: 'b'.repeat(64) },
      { ...second, filename: file.filename },
      { ...second, filename: second.filename.replace('1.0', '1.1') },
      { ...second, filename: '../../x' },
    ])
      expect(await (await put(second, document(other))).text()).toContain('another file')
    expect((await send('reader', 'GET', pathOf(second))).status).toBe(404)
  })

  it('needs the right to write, and a file that is here', async () => {
    const file = await stored()
    expect((await put(file, document(file), 'reader')).status).toBe(403)
    expect((await put(file, document(file), 'nobody')).status).toBe(401)
    const sdist = buildSdist({ name: `attested-${count}`, version: '1.0' })
    expect((await put(sdist, document(sdist))).status).toBe(404)
    expect((await send('writer', 'PUT', pathOf(file, '2.0'), document(file))).status).toBe(404)
    expect((await send('writer', 'PUT', pathOf(file).replace('attested', 'other'), document(file))).status).toBe(404)
    expect((await send('writer', 'PUT', pathOf(file).replace('.whl', '.egg'), document(file))).status).toBe(400)
    const gone = JSON.stringify({ file: file.filename })
    expect((await send('admin', 'POST', `-/projects/attested-${count}/deletions`, gone)).status).toBe(200)
    expect((await put(file, document(file))).status).toBe(409)
  })

  it.each<[string, string, number]>([
    ['nothing', '', 400],
    ['no object', '[]', 400],
    ['no bundles', '{"version":1,"attestation_bundles":[]}', 400],
    ['another version', '{"version":2,"attestation_bundles":[]}', 400],
    ['a bundle of nothing', '{"version":1,"attestation_bundles":[{"publisher":{"kind":"x"},"attestations":[]}]}', 400],
    ['a polluting key', '{"__proto__":{},"version":1,"attestation_bundles":[]}', 400],
    ['brackets without end', '['.repeat(100_000), 400],
    ['too much', ' '.repeat(LIMITS.pythonProvenanceBytesMax + 1), 413],
  ])('refuses %s', async (_, text, status) => {
    const file = await stored()
    expect((await put(file, text)).status).toBe(status)
    expect((await send('reader', 'GET', pathOf(file))).status).toBe(404)
  })
})
