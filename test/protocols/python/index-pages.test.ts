import assert from 'node:assert/strict'
import { gunzipSync, zstdDecompressSync } from 'node:zlib'

import { afterAll, beforeAll, describe, expect, it } from 'vitest'

import { python } from '../../../protocols/python/index.ts'
import { postForm, uploadForm } from '../../helpers/python-upload.ts'
import { rawRequest } from '../../helpers/raw-http.ts'
import { buildSdist, buildWheel, type BuiltFile } from '../../helpers/wheel.ts'
import { startWorld, type World } from '../../helpers/world.ts'

const JSON_TYPE = 'application/vnd.pypi.simple.v1+json'
const PLATFORMS = ['cp311-cp311-manylinux_2_17_x86_64', 'cp311-cp311-win_amd64', 'py3-none-any']

let world: World
const files: BuiltFile[] = [
  ...PLATFORMS.map((tag) => buildWheel({ name: 'My.Pkg_x', version: '1.0+local', tag, requiresPython: '>=3.8' })),
  buildSdist({ name: 'My.Pkg_x', version: '1.0+local' }),
  buildWheel({ name: 'My.Pkg_x', version: '1.0.dev1' }),
  buildWheel({ name: 'My.Pkg_x', version: '0.9' }),
]

beforeAll(async () => {
  world = await startWorld({ protocols: [python] })
  for (const file of files) assert.equal((await postForm(world.url, uploadForm(file))).status, 200)
})

afterAll(async () => {
  assert.deepEqual(world.bugs, [])
  await world[Symbol.asyncDispose]()
})

const get = (path: string, headers: Record<string, string> = {}) => rawRequest(world.url, { path, headers })

describe('a project page', () => {
  it('lists every file of every version, versions in their order', async () => {
    const page = JSON.parse((await get('/python/simple/my-pkg-x/', { Accept: JSON_TYPE })).body.toString())
    expect(page.versions).toEqual(['0.9', '1.0.dev1', '1.0+local'])
    expect(page.files).toHaveLength(6)
    expect(page.files.map((file: { filename: string }) => file.filename).toSorted()).toEqual(
      files.map(({ filename }) => filename).toSorted(),
    )
    for (const file of page.files) {
      const built = files.find(({ filename }) => filename === file.filename)
      expect([file.hashes.sha256, file.size]).toEqual([built?.sha256, built?.bytes.byteLength])
      expect(Math.abs(Date.now() - Date.parse(file['upload-time']))).toBeLessThan(300_000)
      expect(file['upload-time']).toMatch(/Z$/)
    }
  })

  it('has two spellings of a version as one, and its files beside each other', async () => {
    for (const version of ['2.0.0', '1.5', '2.0']) {
      const file =
        version === '2.0' ? buildSdist({ name: 'spelled', version }) : buildWheel({ name: 'spelled', version })
      expect((await postForm(world.url, uploadForm(file))).status).toBe(200)
    }
    const page = JSON.parse((await get('/python/simple/spelled/', { Accept: JSON_TYPE })).body.toString())
    expect(page.versions).toEqual(['1.5', expect.stringMatching(/^2\.0(?:\.0)?$/)])
    expect(page.files.map(({ filename }: { filename: string }) => filename)).toEqual([
      'spelled-1.5-py3-none-any.whl',
      'spelled-2.0.0-py3-none-any.whl',
      'spelled-2.0.tar.gz',
    ])
  })

  it.each([
    ['application/vnd.pypi.simple.v1+json, */*;q=0.1', JSON_TYPE],
    ['application/vnd.pypi.simple.v1+html', 'application/vnd.pypi.simple.v1+html; charset=utf-8'],
    ['text/html', 'text/html; charset=utf-8'],
    ['*/*', 'text/html; charset=utf-8'],
    ['image/png', 'text/html; charset=utf-8'],
  ])('answers Accept %s with %s, and says that it depends on it', async (accept, contentType) => {
    const { status, headers } = await get('/python/simple/my-pkg-x/', { Accept: accept })
    expect([status, headers['content-type'], headers.vary]).toEqual([200, contentType, 'Accept, Accept-Encoding'])
    expect(headers['x-content-type-options']).toBe('nosniff')
  })

  it('comes plain, as gzip and as zstd: the same page, each with its own entity tag', async () => {
    const [plain, gzip, zstd] = await Promise.all(
      ['identity', 'gzip, deflate', 'gzip, deflate, zstd'].map((coding) =>
        get('/python/simple/my-pkg-x/', { 'Accept-Encoding': coding }),
      ),
    )
    if (plain === undefined || gzip === undefined || zstd === undefined) throw new Error('no answer')
    expect([plain, gzip, zstd].map(({ headers }) => headers['content-encoding'])).toEqual([undefined, 'gzip', 'zstd'])
    expect(gunzipSync(gzip.body)).toEqual(plain.body)
    expect(zstdDecompressSync(zstd.body)).toEqual(plain.body)
    expect(new Set([plain, gzip, zstd].map(({ headers }) => headers.etag)).size).toBe(3)
  })

  it('answers a client that has it with 304 and without a Content-Type, which pip would merge into its copy', async () => {
    const first = await get('/python/simple/my-pkg-x/')
    for (const _ of ['stored', 'hot']) {
      const again = await get('/python/simple/my-pkg-x/', { 'If-None-Match': first.headers.etag ?? '' })
      expect([again.status, again.body.byteLength]).toEqual([304, 0])
      expect(again.headers).not.toHaveProperty('content-type')
      expect([again.headers.etag, again.headers.vary]).toEqual([first.headers.etag, 'Accept, Accept-Encoding'])
    }
  })

  it('is new after an upload, in every form', async () => {
    const forms = [JSON_TYPE, 'text/html'].flatMap((accept) =>
      ['identity', 'gzip', 'zstd'].map((coding) => ({ Accept: accept, 'Accept-Encoding': coding })),
    )
    await postForm(world.url, uploadForm(buildWheel({ name: 'growing', version: '1.0' })))
    const before = await Promise.all(forms.map((form) => get('/python/simple/growing/', form)))
    await postForm(world.url, uploadForm(buildWheel({ name: 'growing', version: '2.0' })))
    const after = await Promise.all(forms.map((form) => get('/python/simple/growing/', form)))
    for (const [index, page] of after.entries()) expect(page.headers.etag).not.toBe(before[index]?.headers.etag)
    expect(after[0]?.body.toString()).toContain('growing-2.0-py3-none-any.whl')
  })

  it('links files that are there, from wherever it is read', async () => {
    for (const path of ['/python/simple/my-pkg-x/', '/python/my-pkg-x/']) {
      const page = JSON.parse((await get(path, { Accept: JSON_TYPE })).body.toString())
      for (const file of page.files) {
        const url = new URL(file.url, world.url + path)
        expect((await fetch(url, { method: 'HEAD' })).headers.get('etag')).toBe(`"${file.hashes.sha256}"`)
        expect((await fetch(`${url.href}.metadata`)).status).toBe(file['core-metadata'] === false ? 404 : 200)
      }
    }
  })

  it('is found under a doubled slash, as pipenv asks for it', async () => {
    expect((await get('/python/simple//my-pkg-x/')).status).toBe(200)
    expect((await get('/python//simple///my-pkg-x/')).status).toBe(200)
  })

  it.each([
    ['/python/simple/My.Pkg_x/', '/python/simple/my-pkg-x/'],
    ['/python/simple/my-pkg-x', '/python/simple/my-pkg-x/'],
    ['/python/simple/MY__PKG--X', '/python/simple/my-pkg-x/'],
    ['/python/simple//My.Pkg_x/', '/python/simple//my-pkg-x/'],
    ['/python/My.Pkg_x/', '/python/my-pkg-x/'],
    ['/python/my-pkg-x', '/python/my-pkg-x/'],
    ['/python/simple', '/python/simple/'],
    ['/python', '/python/simple/'],
  ])('redirects %s to %s', async (from, to) => {
    for (const method of ['GET', 'HEAD']) {
      const { status, headers } = await rawRequest(world.url, { method, path: from })
      expect([status, new URL(headers.location ?? '', world.url + from).pathname]).toEqual([301, to])
    }
  })

  it.each([
    ['/python/simple/My.Pkg_x/', '/python/simple/my-pkg-x/'],
    ['/python/simple/my-pkg-x', '/python/simple/my-pkg-x/'],
    ['/python/My.Pkg_x/json', '/python/my-pkg-x/json'],
    ['/python/simple', '/python/simple/'],
    ['/python//simple', '/python//simple/'],
    ['/python', '/python/simple/'],
    ['/%70ython', '/python/simple/'],
  ])('redirects %s relative to itself, so that it holds behind a prefix', async (from, to) => {
    const { headers } = await get(from)
    expect(new URL(headers.location ?? '', `http://proxy/team${from}`).pathname).toBe(`/team${to}`)
  })

  it('of a project that nobody has is a plain 404, so that clients ask the next index', async () => {
    for (const accept of [JSON_TYPE, 'text/html']) {
      const { status, headers } = await get('/python/simple/absent/', { Accept: accept })
      expect([status, headers['content-type']]).toEqual([404, 'text/plain; charset=utf-8'])
    }
  })

  it('answers HEAD with the headers of GET', async () => {
    const head = await rawRequest(world.url, { method: 'HEAD', path: '/python/simple/my-pkg-x/' })
    const whole = await get('/python/simple/my-pkg-x/')
    expect([head.status, head.body.byteLength, head.headers['content-length']]).toEqual([
      200,
      0,
      String(whole.body.byteLength),
    ])
    expect(head.headers.etag).toBe(whole.headers.etag)
  })
})

describe('a project with the name of a route', () => {
  it.each(['simple', 'files', 'legacy'])('%s is stored, listed and read like any other', async (name) => {
    const wheel = buildWheel({ name, version: '1.0' })
    expect((await postForm(world.url, uploadForm(wheel))).status).toBe(200)
    const { body } = await get(`/python/simple/${name}/`, { Accept: JSON_TYPE })
    const [file] = JSON.parse(body.toString()).files
    const { pathname } = new URL(file.url, `${world.url}/python/simple/${name}/`)
    expect((await get(pathname)).body).toEqual(wheel.bytes)
  })
})

describe('the list of projects', () => {
  it('is empty, not null, in a new depot', async () => {
    await using empty = await startWorld({ protocols: [python], blobs: 'memory' })
    const json = await empty.fetch('/python/simple/', { headers: { Accept: JSON_TYPE } })
    expect(await json.json()).toEqual({ meta: { 'api-version': '1.4' }, projects: [] })
    expect((await empty.fetch('/python/simple/')).headers.get('content-type')).toBe('text/html; charset=utf-8')
  })

  it('names a project as soon as its first file is there', async () => {
    const names = async () => {
      const { body } = await get('/python/simple/', { Accept: JSON_TYPE })
      return JSON.parse(body.toString()).projects.map(({ name }: { name: string }) => name)
    }
    expect(await names()).not.toContain('brand-new')
    await postForm(world.url, uploadForm(buildWheel({ name: 'Brand.New', version: '1.0' })))
    expect(await names()).toContain('brand-new')
    const stored = { cache: 1, kind: 'python-list', key: 'simple', variant: 'simple-json', origin: '' }
    expect(await world.depot.kv.document(stored)).toBeDefined()
  })

  it('is the same at the mount itself, and links projects that are there', async () => {
    for (const path of ['/python/simple/', '/python/']) {
      const { body } = await get(path)
      expect(body.toString()).toContain('<a href="my-pkg-x/">my-pkg-x</a>')
      expect((await get(`${path}my-pkg-x/`)).status).toBe(200)
    }
  })
})

describe('a distribution file', () => {
  const [wheel] = files
  if (wheel === undefined) throw new Error('no wheel')
  const escaped = encodeURIComponent(wheel.filename)

  it.each([
    `/python/files/my-pkg-x/${escaped}`,
    `/python/files/my-pkg-x/${wheel.filename}`,
    `/python/files/My.Pkg_x/${escaped}`,
    `/python/my-pkg-x/${escaped}`,
    `/python/simple/My.Pkg_x/${escaped}`,
  ])('comes whole, for ever cacheable and never as a page, from %s', async (path) => {
    const { status, headers, body } = await get(path)
    expect([status, body.equals(wheel.bytes)]).toEqual([200, true])
    expect(headers).toMatchObject({
      'content-type': 'application/octet-stream',
      'cache-control': 'max-age=365000000, immutable',
      'accept-ranges': 'bytes',
      'content-disposition': 'attachment',
      'x-content-type-options': 'nosniff',
      etag: `"${wheel.sha256}"`,
    })
  })

  it('comes in the ranges that uv and pip ask for', async () => {
    const path = `/python/files/my-pkg-x/${escaped}`
    const size = wheel.bytes.byteLength
    const head = await rawRequest(world.url, { method: 'HEAD', path })
    expect([head.status, head.headers['content-length'], head.headers['accept-ranges']]).toEqual([
      200,
      String(size),
      'bytes',
    ])
    for (const [range, start, end] of [
      ['bytes=0-99', 0, 100],
      ['bytes=-22', size - 22, size],
      [`bytes=${size - 10}-`, size - 10, size],
    ] as const) {
      const { status, headers, body } = await get(path, { Range: range })
      expect([status, headers['content-range']]).toEqual([206, `bytes ${start}-${end - 1}/${size}`])
      expect(body).toEqual(wheel.bytes.subarray(start, end))
    }
    const outside = await get(path, { Range: `bytes=${size}-` })
    expect([outside.status, outside.headers['content-range']]).toEqual([416, `bytes */${size}`])
  })

  it('has its METADATA beside it, byte for byte and with the hash that the page gives', async () => {
    const { status, body } = await get(`/python/files/my-pkg-x/${escaped}.metadata`)
    expect([status, body.toString()]).toEqual([200, wheel.metadata])
  })

  it('answers 304 to a client that has it', async () => {
    const { status, headers } = await get(`/python/files/my-pkg-x/${escaped}`, { 'If-None-Match': `"${wheel.sha256}"` })
    expect([status, headers['content-type']]).toEqual([304, undefined])
  })

  it.each([
    'my_pkg_x-9.9-py3-none-any.whl',
    'my_pkg_x-9.9-py3-none-any.whl.metadata',
    'my_pkg_x-1.0+local.tar.gz.metadata',
    'other-1.0.tar.gz',
    'jsonx',
    'METADATA',
    '.metadata',
  ])('that is not there is a plain 404: %s', async (name) => {
    for (const prefix of ['/python/files/my-pkg-x/', '/python/my-pkg-x/']) {
      const { status, headers } = await get(prefix + name)
      expect([status, headers['content-type']]).toEqual([404, 'text/plain; charset=utf-8'])
    }
  })
})
