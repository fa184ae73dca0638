import assert from 'node:assert/strict'

import { afterEach, beforeEach, describe, expect, it } from 'vitest'

import { python } from '../../../protocols/python/index.ts'
import { LIMITS } from '../../../src/limits.ts'
import { attestation } from '../../helpers/attestation.ts'
import { postForm, uploadForm } from '../../helpers/python-upload.ts'
import { buildSdist, buildWheel, type BuiltFile } from '../../helpers/wheel.ts'
import { startWorld, type World } from '../../helpers/world.ts'

const JSON_TYPE = 'application/vnd.pypi.simple.v1+json'
const WHEEL = buildWheel({ name: 'Foo.Bar', version: '1.0' })
const SDIST = buildSdist({ name: 'Foo.Bar', version: '1.0' })
const NEXT = buildWheel({ name: 'Foo.Bar', version: '2.0' })

let world: World

beforeEach(async () => {
  world = await startWorld({ protocols: [python] })
  for (const file of [WHEEL, SDIST, NEXT]) assert.equal((await upload(file)).status, 200)
})

afterEach(async () => {
  assert.deepEqual(world.bugs, [])
  await world[Symbol.asyncDispose]()
})

const upload = (file: BuiltFile) => postForm(world.url, uploadForm(file))

interface Said {
  readonly status: number
  readonly body: Readonly<Record<string, unknown>>
}

async function ask(method: string, path: string, body?: object): Promise<Said> {
  const answer = await world.fetch(`/python/-/${path}`, {
    method,
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  })
  expect(answer.headers.get('cache-control')).toBe('no-store')
  expect(answer.headers.get('content-type')).toBe('application/json')
  return { status: answer.status, body: (await answer.json()) as Said['body'] }
}

interface Page {
  readonly 'project-status': object
  readonly versions: readonly string[]
  readonly files: readonly { readonly filename: string; readonly yanked: boolean | string }[]
}

async function page(): Promise<Page> {
  const answer = await world.fetch('/python/simple/foo-bar/', { headers: { Accept: JSON_TYPE } })
  return (await answer.json()) as Page
}

const yanks = async () => (await page()).files.map(({ filename, yanked }) => [filename, yanked])
const names = async (): Promise<string> => (await world.fetch('/python/simple/')).text()
const file = (name: string) => world.fetch(`/python/files/foo-bar/${name}`)
const audited = async () =>
  (await world.depot.kv.audit(0, 1000)).slice(3).map(({ action, resource, digest }) => [action, resource, digest])

describe('a yank', () => {
  it('marks every file of a version, in whichever spelling, and is taken back', async () => {
    const yanked = await ask('POST', 'projects/FOO_bar/yanks', { version: '1.0.0', yanked: true, reason: 'broken' })
    expect(yanked.status).toBe(200)
    expect(yanked.body['files']).toMatchObject([{ file: WHEEL.filename, yanked: 'broken' }, { file: SDIST.filename }])
    const marked = [
      [WHEEL.filename, 'broken'],
      [SDIST.filename, 'broken'],
      [NEXT.filename, false],
    ]
    expect(await yanks()).toEqual(marked)
    expect((await file(WHEEL.filename)).status).toBe(200)
    await ask('POST', 'projects/foo-bar/yanks', { version: '1', yanked: false })
    expect(await yanks()).toEqual(marked.map(([name]) => [name, false]))
    expect((await audited()).at(-1)?.[1]).toBe(`foo-bar/${SDIST.filename} unyanked`)
  })

  it('of one file leaves the others alone, needs no reason, and a second time changes nothing', async () => {
    for (const _ of [1, 2]) await ask('POST', 'projects/foo-bar/yanks', { file: NEXT.filename, yanked: true })
    expect((await yanks()).at(-1)).toEqual([NEXT.filename, true])
    expect(await audited()).toEqual([['python:write', `foo-bar/${NEXT.filename} yanked`, NEXT.sha256]])
  })

  it.each<[object, number]>([
    [{ yanked: true }, 400],
    [{ version: '1.0', file: WHEEL.filename, yanked: true }, 400],
    [{ version: 'x', yanked: true }, 400],
    [{ version: '1.0' }, 400],
    [{ version: '1.0', yanked: true, reason: 'a\nb' }, 400],
    [{ version: '1.0', yanked: true, reason: 'x'.repeat(LIMITS.yankReasonLengthMax + 1) }, 400],
    [{ version: '1.0', yanked: true, more: 1 }, 400],
    [{ version: '1.1', yanked: true }, 404],
    [{ file: 'foo_bar-9-py3-none-any.whl', yanked: true }, 404],
  ])('that says %j is refused', async (body, status) => {
    const said = await ask('POST', 'projects/foo-bar/yanks', body)
    expect([said.status, typeof said.body['error']]).toEqual([status, 'string'])
    expect((await yanks()).map(([, yanked]) => yanked)).toEqual([false, false, false])
  })
})

describe('a deletion', () => {
  it('takes one file away, and its name stays taken, by whichever bytes', async () => {
    const planned = await ask('POST', 'projects/foo-bar/deletions', { file: WHEEL.filename, dryRun: true })
    expect(planned.body).toMatchObject({ deleted: false, files: [{ file: WHEEL.filename, version: '1.0' }] })
    expect((await file(WHEEL.filename)).status).toBe(200)
    const gone = await ask('POST', 'projects/foo-bar/deletions', { file: WHEEL.filename })
    expect(gone.body).toMatchObject({ deleted: true, files: [{ size: WHEEL.bytes.byteLength }] })
    expect((await yanks()).map(([name]) => name)).toEqual([SDIST.filename, NEXT.filename])
    for (const name of [WHEEL.filename, `${WHEEL.filename}.metadata`]) expect((await file(name)).status).toBe(404)
    const other = buildWheel({ name: 'Foo.Bar', version: '1.0', value: 'other' })
    for (const again of [WHEEL, other]) {
      const refused = await upload(again)
      expect([refused.status, await refused.text()]).toEqual([409, expect.stringContaining('was deleted')])
    }
    const path = `/python/foo-bar/${WHEEL.filename}`
    expect((await world.fetch(path, { method: 'PUT', body: Uint8Array.from(WHEEL.bytes) })).status).toBe(409)
    const entry = JSON.stringify({ filename: WHEEL.filename, yanked: true })
    expect((await world.fetch(`${path}.json`, { method: 'PUT', body: entry })).status).toBe(409)
    expect(await audited()).toEqual([['python:delete', `foo-bar/${WHEEL.filename}`, WHEEL.sha256]])
    expect((await ask('GET', 'projects/foo-bar')).body['deleted']).toMatchObject([
      { file: WHEEL.filename, sha256: WHEEL.sha256 },
    ])
  })

  it('of all files takes the project out of every list, and its next file brings it back', async () => {
    expect(await names()).toContain('foo-bar')
    const gone = await ask('POST', 'projects/foo-bar/deletions', { all: true })
    expect(gone.body['files']).toHaveLength(3)
    expect((await world.fetch('/python/simple/foo-bar/')).status).toBe(404)
    expect((await world.fetch('/python/foo-bar/json')).status).toBe(404)
    expect(await names()).not.toContain('foo-bar')
    expect((await ask('GET', 'projects')).body).toEqual({ projects: [] })
    expect((await ask('POST', 'projects/foo-bar/deletions', { all: true })).status).toBe(404)
    expect((await upload(buildWheel({ name: 'Foo.Bar', version: '3.0' }))).status).toBe(200)
    expect((await page()).versions).toEqual(['3.0'])
    expect(await names()).toContain('foo-bar')
    expect((await ask('GET', 'projects')).body).toEqual({ projects: ['foo-bar'] })
  })

  it('of a version leaves the others, and of nothing that is named deletes nothing', async () => {
    for (const body of [{}, { all: false }, { all: true, version: '1.0' }])
      expect((await ask('POST', 'projects/foo-bar/deletions', body)).status).toBe(400)
    expect((await ask('POST', 'projects/foo-bar/deletions', { version: '7' })).status).toBe(404)
    expect((await ask('POST', 'projects/absent/deletions', { all: true })).status).toBe(404)
    await ask('POST', 'projects/foo-bar/deletions', { version: '1.0' })
    expect((await page()).versions).toEqual(['2.0'])
  })

  it('of more files than one commit changes takes them all', async () => {
    const count = LIMITS.pythonChangedFilesMax + 5
    const record = {
      version: '5.0',
      sha256: WHEEL.sha256,
      sizeBytes: 1,
      uploadTime: '2026-01-01T00:00:00Z',
      yanked: false,
    }
    const puts = Array.from({ length: count }, (_, build) => {
      const filename = `foo_bar-5.0-${build}-py3-none-any.whl`
      const value = JSON.stringify({ ...record, filename })
      return { kind: 'python-file', key: `foo-bar/${filename}`, value, refs: [WHEEL.sha256] }
    })
    await world.depot.kv.commit({ cache: 1, puts })
    const yanked = await ask('POST', 'projects/foo-bar/yanks', { version: '5.0', yanked: true })
    expect(yanked.body['files']).toHaveLength(count)
    const gone = await ask('POST', 'projects/foo-bar/deletions', { all: true })
    expect(gone.body['files']).toHaveLength(count + 3)
    expect((await world.fetch('/python/simple/foo-bar/')).status).toBe(404)
  })

  it('is forgotten only when somebody says so, and that is recorded', async () => {
    expect((await ask('DELETE', `tombstones/foo-bar/${WHEEL.filename}`)).status).toBe(404)
    await ask('POST', 'projects/foo-bar/deletions', { file: WHEEL.filename })
    const forgotten = await ask('DELETE', `tombstones/Foo_Bar/${WHEEL.filename}`)
    expect(forgotten).toEqual({ status: 200, body: { project: 'foo-bar', file: WHEEL.filename } })
    expect((await audited()).at(-1)).toEqual(['python:admin', `foo-bar/${WHEEL.filename}`, WHEEL.sha256])
    const other = buildWheel({ name: 'Foo.Bar', version: '1.0', value: 'other' })
    expect((await upload(other)).status).toBe(200)
    expect(Buffer.from(await (await file(WHEEL.filename)).arrayBuffer())).toEqual(other.bytes)
  })
})

describe('the status of a project', () => {
  it('stands in both forms of its page, with its reason, until it is active again', async () => {
    await ask('POST', 'projects/foo-bar/status', { status: 'deprecated', reason: 'use "baz"' })
    expect((await page())['project-status']).toEqual({ status: 'deprecated', reason: 'use "baz"' })
    const html = await (await world.fetch('/python/simple/foo-bar/')).text()
    expect(html).toContain('<meta name="pypi:project-status-reason" content="use &quot;baz&quot;">')
    expect((await ask('GET', 'projects/foo-bar')).body).toMatchObject({ status: 'deprecated' })
    expect((await upload(buildWheel({ name: 'Foo.Bar', version: '3.0' }))).status).toBe(200)
    await ask('POST', 'projects/foo-bar/status', { status: 'active' })
    expect((await page())['project-status']).toEqual({ status: 'active' })
    expect((await audited()).map(([, resource]) => resource)).toEqual([
      'foo-bar deprecated',
      'foo-bar/foo_bar-3.0-py3-none-any.whl',
      'foo-bar active',
    ])
  })

  it('archived takes no new files, and says how it is opened; what is there stays', async () => {
    await ask('POST', 'projects/foo-bar/status', { status: 'archived' })
    const refused = await upload(buildWheel({ name: 'Foo.Bar', version: '3.0' }))
    expect([refused.status, await refused.text()]).toEqual([
      403,
      expect.stringContaining('depot python status foo-bar active'),
    ])
    expect((await upload(WHEEL)).status).toBe(200)
    expect((await page()).files).toHaveLength(3)
  })

  it('quarantined offers no file in any way, and keeps what it has', async () => {
    const filled = buildWheel({ name: 'Foo.Bar', version: '3.0' })
    const attested = uploadForm(filled, { attestations: JSON.stringify([attestation(filled)]) })
    await postForm(world.url, attested)
    const provenance = `/python/integrity/foo-bar/3.0/${filled.filename}/provenance`
    expect((await world.fetch(provenance)).status).toBe(200)
    await ask('POST', 'projects/foo-bar/status', { status: 'quarantined' })
    expect(await page()).toMatchObject({ files: [], versions: ['1.0', '2.0', '3.0'] })
    for (const name of [WHEEL.filename, `${WHEEL.filename}.metadata`, SDIST.filename])
      expect((await file(name)).status).toBe(404)
    expect((await world.fetch(provenance)).status).toBe(404)
    expect((await world.fetch(`/python/foo-bar/${WHEEL.filename}`)).status).toBe(404)
    expect(((await (await world.fetch('/python/foo-bar/json')).json()) as { releases: object }).releases).toEqual({
      '1.0': [],
      '2.0': [],
      '3.0': [],
    })
    expect((await upload(buildWheel({ name: 'Foo.Bar', version: '4.0' }))).status).toBe(403)
    await ask('POST', 'projects/foo-bar/status', { status: 'active' })
    expect((await page()).files).toHaveLength(4)
  })

  it.each([{ status: 'gone' }, { status: 'archived', reason: '\u202e\u0007' }, {}])('%j is refused', async (body) => {
    expect((await ask('POST', 'projects/foo-bar/status', body)).status).toBe(400)
    expect((await ask('POST', 'projects/absent/status', { status: 'archived' })).status).toBe(404)
  })
})

describe('what a publisher attests', () => {
  const attested = buildWheel({ name: 'Foo.Bar', version: '3.0' })
  const field = `[${JSON.stringify(attestation(attested), null, 1)}]`
  const path = `/python/integrity/foo-bar/3.0/${attested.filename}/provenance`

  it('is served beside the file byte for byte, and linked from both forms of the page', async () => {
    expect((await postForm(world.url, uploadForm(attested, { attestations: field }))).status).toBe(200)
    const answer = await world.fetch(path)
    expect([answer.status, answer.headers.get('content-type')]).toEqual([200, 'application/vnd.pypi.integrity.v1+json'])
    expect(await answer.text()).toContain(`"attestations":${field}}`)
    for (const spelling of ['3', 'v3.0.0']) expect((await world.fetch(path.replace('3.0', spelling))).status).toBe(200)
    for (const at of ['/python/simple/foo-bar/', '/python/foo-bar/']) {
      const json = (await (await world.fetch(at, { headers: { Accept: JSON_TYPE } })).json()) as {
        files: { filename: string; provenance: string | null }[]
      }
      const links = json.files.map(({ filename, provenance }) => [filename, provenance === null])
      expect(links).toEqual([
        [WHEEL.filename, true],
        [SDIST.filename, true],
        [NEXT.filename, true],
        [attested.filename, false],
      ])
      expect(new URL(json.files.at(-1)?.provenance ?? '', world.url + at).pathname).toBe(path)
      expect(await (await world.fetch(at)).text()).toContain('data-provenance=')
    }
  })

  it('is not there for other files, other versions, or without attestations', async () => {
    await postForm(world.url, uploadForm(attested, { attestations: field }))
    const other = `/python/integrity/foo-bar/1.0/${WHEEL.filename}/provenance`
    for (const at of [other, path.replace('3.0', '2.0'), path.replace('.whl', '.whl.metadata')])
      expect((await world.fetch(at)).status).toBe(404)
  })

  it('and is about another file is refused with the upload', async () => {
    const lie = JSON.stringify([attestation({ ...attested, sha256: WHEEL.sha256 })])
    const refused = await postForm(world.url, uploadForm(attested, { attestations: lie }))
    expect([refused.status, await refused.text()]).toEqual([400, expect.stringContaining('another file')])
    expect((await page()).versions).toEqual(['1.0', '2.0'])
  })
})

describe('the list of projects for the command line', () => {
  it('comes page by page', async () => {
    for (const name of ['a', 'b', 'c']) await upload(buildWheel({ name, version: '1' }))
    expect((await ask('GET', 'projects?limit=2')).body).toEqual({ projects: ['a', 'b'], next: 'b' })
    expect((await ask('GET', 'projects?limit=9&after=b')).body).toEqual({ projects: ['c', 'foo-bar'] })
    expect((await ask('GET', 'projects?limit=0')).status).toBe(400)
  })

  it('does not know a project that never had a file', async () => {
    expect((await ask('GET', 'projects/absent')).status).toBe(404)
  })
})
