import assert from 'node:assert/strict'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'

import { python } from '../../../protocols/python/index.ts'
import { rawRequest } from '../../helpers/raw-http.ts'
import { storedFiles } from '../../helpers/stored-files.ts'
import { type BuiltFile, buildSdist, buildWheel } from '../../helpers/wheel.ts'
import { startWorld, type World } from '../../helpers/world.ts'

const WHEEL = buildWheel({ name: 'My.Pkg_x', version: '1.0' })
const WINDOWS = buildWheel({ name: 'My.Pkg_x', version: '1.0', tag: 'cp311-cp311-win_amd64' })
const SDIST = buildSdist({ name: 'My.Pkg_x', version: '1.0' })
const PAGE = '/python/simple/my-pkg-x/'

let world: World

beforeEach(async () => {
  world = await startWorld({ protocols: [python] })
})

afterEach(async () => {
  assert.deepEqual(world.bugs, [])
  await world[Symbol.asyncDispose]()
})

/** What the reference's `python push` sends: `<folder as typed>/<file name>`. */
function put(path: string, body: Uint8Array | string): Promise<Response> {
  return world.fetch(`/python/${path}`, { method: 'PUT', body: Buffer.from(body as string) })
}

const putFile = (file: BuiltFile, project = 'My.Pkg_x') => put(`${project}/${file.filename}`, file.bytes)
const putEntry = (file: BuiltFile, entry: unknown, project = 'My.Pkg_x') =>
  put(`${project}/${file.filename}.json`, JSON.stringify(entry))

function entryOf(file: BuiltFile, more: object = {}): object {
  return {
    filename: file.filename,
    url: `https://files.pythonhosted.org/packages/aa/bb/${file.filename}`,
    hashes: { sha256: file.sha256 },
    size: file.bytes.byteLength,
    'requires-python': null,
    'upload-time': '2015-08-28T17:59:30.994041Z',
    yanked: false,
    'core-metadata': { sha256: '0'.repeat(64) },
    'data-dist-info-metadata': { sha256: '0'.repeat(64) },
    provenance: null,
    ...more,
  }
}

async function listing() {
  const answer = await world.fetch(PAGE, { headers: { Accept: 'application/vnd.pypi.simple.v1+json' } })
  const page = (await answer.json()) as { versions: string[]; files: Record<string, unknown>[] }
  return { ...page, file: (file: BuiltFile) => page.files.find(({ filename }) => filename === file.filename) }
}

describe('PUT of a file', () => {
  it.each(['My.Pkg_x', 'my-pkg-x', 'simple/My.Pkg_x', 'simple/my-pkg-x'])(
    'stores it under %s, and shows it at once',
    async (project) => {
      expect((await putFile(WHEEL, project)).status).toBe(201)
      expect((await listing()).file(WHEEL)).toMatchObject({
        hashes: { sha256: WHEEL.sha256 },
        size: WHEEL.bytes.byteLength,
        yanked: false,
      })
      const back = await world.fetch(`/python/${project}/${WHEEL.filename}`)
      expect(Buffer.from(await back.arrayBuffer())).toEqual(WHEEL.bytes)
    },
  )

  it('keeps wheel, other platform and sdist of one version side by side', async () => {
    for (const file of [WHEEL, WINDOWS, SDIST]) expect((await putFile(file)).status).toBe(201)
    const { versions, files } = await listing()
    expect(versions).toEqual(['1.0'])
    expect(files).toHaveLength(3)
  })

  it('of the same bytes changes nothing, of others is refused', async () => {
    await putFile(WHEEL)
    const before = await listing()
    expect((await putFile(WHEEL)).status).toBe(200)
    expect((await putFile(buildWheel({ name: 'My.Pkg_x', version: '1.0', value: 'other' }))).status).toBe(409)
    expect(JSON.stringify(await listing())).toBe(JSON.stringify(before))
  })

  it('is refused below another project, or when its bytes are another one’s', async () => {
    expect((await putFile(WHEEL, 'other')).status).toBe(400)
    expect((await put('other/other-1.0-py3-none-any.whl', WHEEL.bytes)).status).toBe(400)
    expect((await put(`my-pkg-x/${WHEEL.filename}`, WHEEL.bytes.subarray(0, -1))).status).toBe(400)
    expect((await put(`my-pkg-x/${SDIST.filename}`, 'text')).status).toBe(400)
    expect((await world.fetch(PAGE)).status).toBe(404)
    expect(await storedFiles(world.dir)).toEqual([])
  })

  it.each(['README.md', 'my_pkg_x-1.0.exe', 'my_pkg_x.whl', 'x.json'])(
    'is refused with a reason when nothing installs %s',
    async (name) => {
      const answer = await put(`my-pkg-x/${name}`, 'x')
      expect([answer.status, await answer.text()]).toEqual([400, expect.stringContaining('file name')])
    },
  )
})

describe('PUT of a file’s entry', () => {
  it('takes over when it was uploaded, that it was yanked, and for which Pythons it is', async () => {
    await putFile(WHEEL)
    const entry = entryOf(WHEEL, { yanked: 'broken', 'requires-python': '>=3.9' })
    expect((await putEntry(WHEEL, entry)).status).toBe(200)
    expect((await listing()).file(WHEEL)).toMatchObject({
      'upload-time': '2015-08-28T17:59:30.994041Z',
      yanked: 'broken',
      'requires-python': '>=3.9',
    })
  })

  it('never takes over what the file itself says, nor links and hashes', async () => {
    const wheel = buildWheel({ name: 'My.Pkg_x', version: '1.0', requiresPython: '>=3.8' })
    await putFile(wheel)
    await putEntry(wheel, entryOf(wheel, { 'requires-python': '>=2' }))
    const listed = (await listing()).file(wheel)
    expect(listed).toMatchObject({ 'requires-python': '>=3.8', url: `../../files/my-pkg-x/${wheel.filename}` })
    const metadata = await world.fetch(`/python/files/my-pkg-x/${wheel.filename}.metadata`)
    expect(await metadata.text()).toBe(wheel.metadata)
    expect(JSON.stringify(listed)).not.toContain('0'.repeat(64))
  })

  it('leaves alone what it does not mention, and a second time changes nothing', async () => {
    await putFile(WHEEL)
    const before = (await listing()).file(WHEEL)
    expect((await putEntry(WHEEL, { filename: WHEEL.filename })).status).toBe(200)
    expect((await listing()).file(WHEEL)).toEqual(before)
    await putEntry(WHEEL, entryOf(WHEEL))
    const first = (await world.fetch(PAGE)).headers.get('etag')
    await putEntry(WHEEL, entryOf(WHEEL))
    expect((await world.fetch(PAGE)).headers.get('etag')).toBe(first)
  })

  it('takes an empty reason for a yank without one, in every form of the page', async () => {
    await putFile(WHEEL)
    await putEntry(WHEEL, entryOf(WHEEL, { yanked: '' }))
    expect((await listing()).file(WHEEL)?.['yanked']).toBe(true)
    expect(await (await world.fetch(PAGE)).text()).toContain(' data-yanked=""')
  })

  it('brings an upload time of another zone to UTC', async () => {
    await putFile(WHEEL)
    await putEntry(WHEEL, entryOf(WHEEL, { 'upload-time': '2020-01-01T01:00:00+02:00' }))
    expect((await listing()).file(WHEEL)?.['upload-time']).toBe('2019-12-31T23:00:00.000Z')
  })

  it('is refused before its file is there', async () => {
    expect((await putEntry(WHEEL, entryOf(WHEEL))).status).toBe(404)
    expect((await world.fetch(PAGE)).status).toBe(404)
  })

  it.each<[string, object | null]>([
    ['another sha256', { hashes: { sha256: '0'.repeat(64) } }],
    ['another file name', { filename: 'my_pkg_x-2.0-py3-none-any.whl' }],
    ['another size', { size: 1 }],
    ['no file name', { filename: undefined }],
    ['a time that is none', { 'upload-time': '2015-99-99T17:59:30Z' }],
    ['a day that no calendar has', { 'upload-time': '2026-02-30T00:00:00Z' }],
    ['the hour 24, which is no hour for Python', { 'upload-time': '2026-01-01T24:00:00Z' }],
    ['the year 0, which is no year for Python', { 'upload-time': '0000-01-01T00:00:00Z' }],
    ['a year before that', { 'upload-time': '0000-01-01T00:00:00+12:00' }],
    ['a time with markup', { 'upload-time': '<b>' }],
    ['a time that is yet to come', { 'upload-time': new Date(Date.now() + 3_600_000).toISOString() }],
    ['a line break in why it was yanked', { yanked: 'broken\r\nX: y' }],
    ['words that a terminal would obey', { yanked: '\u001b[2J' }],
    ['a line break in requires-python', { 'requires-python': '>=3\r\nX: y' }],
    ['a number for yanked', { yanked: 1 }],
    ['no object', null],
  ])('is refused with %s, and changes nothing', async (_what, change) => {
    await putFile(WHEEL)
    const before = (await listing()).file(WHEEL)
    const answer = await putEntry(WHEEL, change === null ? [] : entryOf(WHEEL, change))
    expect([answer.status, answer.headers.get('content-type')]).toEqual([400, 'text/plain; charset=utf-8'])
    expect((await listing()).file(WHEEL)).toEqual(before)
  })

  it('is refused when it is no JSON, has a __proto__, or is too large', async () => {
    await putFile(WHEEL)
    expect((await put(`my-pkg-x/${WHEEL.filename}.json`, '{')).status).toBe(400)
    expect(
      (await put(`my-pkg-x/${WHEEL.filename}.json`, `{"filename":"${WHEEL.filename}","__proto__":{"yanked":true}}`))
        .status,
    ).toBe(400)
    expect((await putEntry(WHEEL, entryOf(WHEEL, { url: 'x'.repeat(100_000) }))).status).toBe(413)
  })

  it('of sixteen files at once loses none', async () => {
    const wheels = Array.from({ length: 16 }, (_, index) => buildWheel({ name: 'My.Pkg_x', version: `2.${index}` }))
    for (const wheel of wheels) await putFile(wheel)
    await Promise.all(wheels.map((wheel) => putEntry(wheel, entryOf(wheel, { yanked: wheel.filename }))))
    const { files } = await listing()
    expect(files.map(({ filename, yanked }) => filename === yanked)).toEqual(wheels.map(() => true))
  })

  it('shows a reason with markup as text', async () => {
    await putFile(WHEEL)
    await putEntry(WHEEL, entryOf(WHEEL, { yanked: '"><script>alert(1)</script>' }))
    const html = await (await world.fetch(PAGE)).text()
    expect(html).toContain('data-yanked="&quot;&gt;&lt;script&gt;alert(1)&lt;/script&gt;"')
    expect(html).not.toContain('<script')
  })
})

describe('hostile paths', () => {
  const NAMES = [
    '..',
    '.',
    '%2e%2e',
    '..%2f..%2fpwn.whl',
    '..%2fdepot.db',
    '%2fetc%2fpasswd',
    '..;',
    '..%5c..%5cpwn.whl',
    'a%00.whl',
    'a%0d%0aX-Evil:1',
    '%c0%ae%c0%ae',
    '%252e%252e',
    '%EF%BC%8E%EF%BC%8E',
    '<script>',
    '%3Cscript%3E',
    "'%22",
    '__proto__',
    'constructor',
    '%',
    '%zz',
    'x'.repeat(300),
  ]
  const SHAPES = [
    '/python/@',
    '/python/@/',
    '/python/simple/@',
    '/python/simple/@/',
    '/python/simple/@/foo-1.0.tar.gz',
    '/python/simple/foo/@',
    '/python/files/foo/@',
    '/python/files/@/foo-1.0.tar.gz',
    '/python/files/foo/@/foo-1.0.tar.gz',
    '/python/foo/@',
    '/python/@/../depot.db',
    '/python//@',
    '/python/@.json',
    '/python/foo/@.json',
  ]

  it('are refused for every method: no failure, no header of theirs, nothing stored, nothing read', async () => {
    const secret = Buffer.from('SQLite format 3')
    for (const shape of SHAPES) {
      for (const name of NAMES) {
        const path = shape.replace('@', name)
        for (const method of ['GET', 'HEAD', 'PUT', 'POST', 'DELETE']) {
          const { status, headers, body } = await rawRequest(world.url, {
            method,
            path,
            ...(method === 'PUT' ? { body: 'x' } : {}),
          })
          expect
            .soft([path, method, status], `${method} ${path}`)
            .toEqual([path, method, expect.toSatisfy((code: number) => code === 301 || (code >= 400 && code < 500))])
          expect(headers).not.toHaveProperty('x-evil')
          expect(body.includes(secret)).toBe(false)
        }
      }
    }
    expect(await storedFiles(world.dir)).toEqual([])
  })
})
