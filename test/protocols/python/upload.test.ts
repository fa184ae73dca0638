import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { connect } from 'node:net'

import { createBLAKE2b } from 'hash-wasm'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'

import { python } from '../../../protocols/python/index.ts'
import { LIMITS } from '../../../src/limits.ts'
import { form, type Form, postForm, uploadFields, uploadForm } from '../../helpers/python-upload.ts'
import { storedFiles } from '../../helpers/stored-files.ts'
import { type BuiltFile, buildSdist, buildWheel, coreMetadata, zip } from '../../helpers/wheel.ts'
import { startWorld, type World } from '../../helpers/world.ts'

const WHEEL = buildWheel({ name: 'foo', version: '1.0' })
const PAGE = '/python/simple/foo/'

let world: World

beforeEach(async () => {
  world = await startWorld({ protocols: [python] })
})

afterEach(async () => {
  assert.deepEqual(world.bugs, [])
  await world[Symbol.asyncDispose]()
})

describe('an upload', () => {
  it.each(['/python/legacy/', '/python/legacy', '/python/simple/', '/python/simple', '/python/', '/python'])(
    'is taken at %s and never redirected',
    async (path) => {
      expect((await postForm(world.url, uploadForm(WHEEL), path)).status).toBe(200)
      expect((await world.fetch(PAGE)).status).toBe(200)
    },
  )

  it('is taken as twine sends it: content typed, all digests, metadata fields that repeat', async () => {
    const blake = (await createBLAKE2b(256)).init().update(WHEEL.bytes).digest('hex')
    const fields = uploadFields(WHEEL, {
      md5_digest: createHash('md5').update(WHEEL.bytes).digest('hex'),
      sha256_digest: WHEEL.sha256.toUpperCase(),
      blake2_256_digest: blake,
      requires_python: '>=3.8',
    })
    const repeated = ['classifiers', 'classifiers', 'requires_dist', 'requires_dist'].map(
      (name) => [name, 'x'] as const,
    )
    const content = {
      name: 'content',
      filename: WHEEL.filename,
      bytes: WHEEL.bytes,
      contentType: 'application/octet-stream',
    }
    const signature = { name: 'gpg_signature', filename: `${WHEEL.filename}.asc`, bytes: Buffer.from('-----BEGIN PGP') }
    expect((await postForm(world.url, form([...fields, ...repeated], [content, signature]))).status).toBe(200)
  })

  it('is taken with fields of any name, and none of them reaches an object', async () => {
    const before = Object.getOwnPropertyDescriptors(Object.prototype)
    const names = ['__proto__', 'constructor', 'toString', 'hasOwnProperty', '<script>', '']
    const fields = [...uploadFields(WHEEL), ...names.map((name): [string, string] => [name, 'polluted'])]
    const content = { name: 'content', filename: WHEEL.filename, bytes: WHEEL.bytes }
    expect((await postForm(world.url, form(fields, [content]))).status).toBe(200)
    expect(Object.getOwnPropertyDescriptors(Object.prototype)).toEqual(before)
  })

  it('is named by its file and its metadata, however the form spells the name', async () => {
    const wheel = buildWheel({ name: 'My.Pkg_x', version: '1.0' })
    for (const name of ['My.Pkg-x', 'My.Pkg_x', 'my-pkg-x']) {
      expect((await postForm(world.url, uploadForm(wheel, { name, version: '1.0.0' }))).status).toBe(200)
    }
    expect((await world.fetch('/python/simple/my-pkg-x/')).status).toBe(200)
  })

  it('is taken without the fields that say nothing new', async () => {
    const bare = form([[':action', 'file_upload']], [{ name: 'content', filename: WHEEL.filename, bytes: WHEEL.bytes }])
    expect((await postForm(world.url, bare)).status).toBe(200)
  })

  it('of the same bytes changes nothing and succeeds; of other bytes it is told that the file exists', async () => {
    await postForm(world.url, uploadForm(WHEEL))
    const before = await json(PAGE)
    expect((await postForm(world.url, uploadForm(WHEEL))).status).toBe(200)
    expect(await json(PAGE)).toEqual(before)
    const other = buildWheel({ name: 'foo', version: '1.0', value: 'other' })
    const refused = await postForm(world.url, uploadForm(other))
    expect([refused.status, refused.headers.get('content-type')]).toEqual([409, 'text/plain; charset=utf-8'])
    expect(await refused.text()).toMatch(/^File already exists \(foo-1\.0-py3-none-any\.whl/)
    expect(await json(PAGE)).toEqual(before)
    expect(await download(WHEEL.filename)).toEqual(WHEEL.bytes)
  })

  it('brings back a file whose bytes storage has lost', async () => {
    await postForm(world.url, uploadForm(WHEEL))
    const row = await world.depot.blobOf({ id: 1, name: 'main', domain: 'main' }, 'python-', WHEEL.sha256)
    if (row === undefined) throw new Error('no blob')
    await world.depot.kv.setBlobState('main', row.digest, 'quarantined')
    expect((await world.fetch(`/python/files/foo/${WHEEL.filename}`)).status).toBe(404)
    expect((await postForm(world.url, uploadForm(WHEEL))).status).toBe(200)
    expect(await download(WHEEL.filename)).toEqual(WHEEL.bytes)
  })

  it('and sixteen more to one project at once are all there afterwards', async () => {
    const wheels = Array.from({ length: 16 }, (_, index) => buildWheel({ name: 'foo', version: `1.${index}` }))
    const answers = await Promise.all(wheels.map((wheel) => postForm(world.url, uploadForm(wheel))))
    expect(answers.map(({ status }) => status)).toEqual(wheels.map(() => 200))
    const { versions, files } = await json(PAGE)
    expect(versions).toEqual(wheels.map((_, index) => `1.${index}`))
    expect(files).toHaveLength(16)
  })

  it.each([
    ['a new project', false],
    ['one that has files', true],
  ])('races with others for one name in %s: exactly one of eight different files wins', async (_what, exists) => {
    if (exists) await postForm(world.url, uploadForm(buildWheel({ name: 'foo', version: '0.1' })))
    const wheels = Array.from({ length: 8 }, (_, index) =>
      buildWheel({ name: 'foo', version: '1.0', value: `${index}` }),
    )
    const answers = await Promise.all(wheels.map((wheel) => postForm(world.url, uploadForm(wheel))))
    expect(answers.map(({ status }) => status).toSorted((a, b) => a - b)).toEqual([200, ...Array<number>(7).fill(409)])
    const winner = wheels[answers.findIndex(({ status }) => status === 200)]
    expect(await download(WHEEL.filename)).toEqual(winner?.bytes)
  })
})

describe('a refused upload', () => {
  const changed = (changes: Record<string, string | undefined>, file = WHEEL) => uploadForm(file, changes)
  const named = (filename: string) => form(uploadFields(WHEEL), [{ name: 'content', filename, bytes: WHEEL.bytes }])
  const wheelOf = (...files: Parameters<typeof zip>[0]): BuiltFile => ({ ...WHEEL, bytes: zip(files) })
  const info = { name: 'foo-1.0.dist-info/METADATA', content: coreMetadata({ name: 'foo', version: '1.0' }) }
  const lying = (stated: object) => buildWheel({ name: 'foo', version: '1.0', stated })
  // The Kelvin sign is a capital k to whoever makes it small.
  const disguised = buildWheel({ name: 'foo-kit', version: '1.0', stated: { name: 'foo-\u212ait' } })
  const noDigest = { sha256_digest: undefined }
  const content = { name: 'content', filename: WHEEL.filename, bytes: WHEEL.bytes }

  it.each<[string, Form]>([
    ['another sha256', changed({ sha256_digest: '0'.repeat(64) })],
    ['another md5', changed({ md5_digest: '0'.repeat(32) })],
    ['another blake2', changed({ blake2_256_digest: '0'.repeat(64) })],
    ['an empty digest', changed({ sha256_digest: '' })],
    ['another name', changed({ name: 'bar' })],
    ['another version', changed({ version: '2.0' })],
    ['no version at all in that field', changed({ version: '' })],
    ['the wrong filetype', changed({ filetype: 'sdist' })],
    ['an unknown filetype', changed({ filetype: 'bdist_egg' })],
    ['another action', changed({ ':action': 'submit' })],
    ['no action', changed({ ':action': undefined })],
    ['another protocol version', changed({ protocol_version: '2' })],
    ['a METADATA with another name', changed({ name: undefined }, lying({ name: 'bar' }))],
    ['a METADATA with another version', changed({ version: undefined }, lying({ version: '9.9.9' }))],
    ['a METADATA whose name only looks like it', changed({ name: undefined }, disguised)],
    ['the .dist-info of another project', changed(noDigest, wheelOf({ ...info, name: 'bar-1.0.dist-info/METADATA' }))],
    ['attestations that are none', changed({ attestations: '[{"version":1}]' })],
    ['two METADATA', changed(noDigest, wheelOf(info, info))],
    ['no METADATA', changed(noDigest, wheelOf({ name: 'foo.py', content: '' }))],
    ['an entry that climbs', changed(noDigest, wheelOf(info, { name: '../evil', content: 'x' }))],
    ['a cut archive', changed(noDigest, { ...WHEEL, bytes: WHEEL.bytes.subarray(0, -1) })],
    ['a METADATA like a bomb', changed(noDigest, wheelOf({ ...info, content: Buffer.alloc(9 * 1024 * 1024, 'a') }))],
    ['no archive', changed(noDigest, { ...WHEEL, bytes: Buffer.from('text') })],
    ['no bytes', changed(noDigest, { ...WHEEL, bytes: Buffer.alloc(0) })],
    ['no content', form(uploadFields(WHEEL), [])],
    ['a content that is no file', form([...uploadFields(WHEEL), ['content', 'text']], [])],
    ['two contents', form(uploadFields(WHEEL), [content, content])],
    ['a field twice', form([...uploadFields(WHEEL), ['name', 'bar']], [content])],
    ['a digest after the content', withLateField(WHEEL, 'md5_digest')],
    ['a slash in its file name', named(`a/${WHEEL.filename}`)],
    ['a climbing file name', named(`../${WHEEL.filename}`)],
    ['a backslash in its file name', named(`a\\\\${WHEEL.filename}`)],
    ['an encoded slash', named(`..%2f${WHEEL.filename}`)],
    ['a NUL in its file name', named(`${WHEEL.filename}\0`)],
    ['HTML for its name', named('<img src=x>-1.0-py3-none-any.whl')],
    ['a quote in its name', named('foo\\"-1.0-py3-none-any.whl')],
    ['letters that no project has', named('föö-1.0-py3-none-any.whl')],
    ['an egg', named('foo-1.0-py3.egg')],
    ['an unknown archive', named('foo-1.0.tar.bz2')],
    ['an empty name', named('')],
    ['another name than its bytes', named('bar-1.0-py3-none-any.whl')],
  ])('with %s is answered 400 in plain text and leaves nothing', async (_what, upload) => {
    await refused(upload, 400)
  })

  it('with a form field of 10 MB, known or not, is answered 413 and leaves nothing', async () => {
    const big = 'x'.repeat(10 * 1024 * 1024)
    await refused(changed({ description: big }), 413)
    await refused(changed({ name: big }), 413)
    await refused(form([...uploadFields(WHEEL), ['x', 'x'.repeat(LIMITS.formFieldBytesMax + 1)]], [content]), 413)
  })

  it('whose fields together have more than any package says is answered 413 and leaves nothing', async () => {
    const field = ['classifiers', 'x'.repeat(LIMITS.formFieldBytesMax)] as const
    const count = LIMITS.formBytesMax / LIMITS.formFieldBytesMax + 1
    await refused(form([...uploadFields(WHEEL), ...Array.from({ length: count }, () => field)], [content]), 413)
  })

  it('is told why, even when the reason came before all of its bytes', async () => {
    const bytes = Buffer.alloc(20 * 1024 * 1024)
    await refused(form(uploadFields(WHEEL), [{ name: 'content', filename: '../evil.whl', bytes }]), 400)
  })

  it('with more fields than any package has is answered 413 and leaves nothing', async () => {
    const fields = Array.from({ length: LIMITS.formFieldsMax }, () => ['classifiers', 'x'] as const)
    await refused(form([...uploadFields(WHEEL), ...fields], [content]), 413)
  })

  it('that is no form is answered 400', async () => {
    await refused({ contentType: 'application/json', body: Buffer.from('{}') }, 400)
    await refused({ contentType: 'multipart/form-data', body: Buffer.from('x') }, 400)
    await refused({ contentType: 'multipart/form-data; boundary=x', body: Buffer.from('') }, 400)
  })

  it('with line breaks in its name cannot write a header or a second part', async () => {
    await refused(named(`${WHEEL.filename}\r\nX-Evil: 1`), 400)
    await refused(named(`${WHEEL.filename}\nX-Evil: 1`), 400)
  })

  it('of a form that ends too early is answered 400, wherever it ends', async () => {
    const { contentType, body } = uploadForm(WHEEL)
    for (let step = 0; step < 20; step++) {
      await refused({ contentType, body: body.subarray(0, Math.floor((body.byteLength * step) / 20)) }, 400)
    }
    await refused({ contentType, body: body.subarray(0, -4) }, 400)
  })

  it('of an sdist that is a lie or a trap leaves nothing either', async () => {
    const sdist = buildSdist({ name: 'foo', version: '1.0' })
    await refused(
      uploadForm(buildSdist({ name: 'foo', version: '1.0', stated: { name: 'bar' } }), { name: undefined }),
      400,
    )
    await refused(uploadForm(sdist, { filetype: 'bdist_wheel' }), 400)
    await refused(uploadForm({ ...sdist, bytes: sdist.bytes.subarray(0, -5) }, noDigest), 400)
    await refused(
      uploadForm(buildSdist({ name: 'foo', version: '1.0', extra: [{ name: '/etc/passwd', content: 'x' }] })),
      400,
    )
  })

  async function refused(upload: Form, status: number): Promise<void> {
    const answer = await postForm(world.url, upload)
    expect([answer.status, answer.headers.get('content-type')]).toEqual([status, 'text/plain; charset=utf-8'])
    expect((await answer.text()).trim()).not.toBe('')
    expect(await storedFiles(world.dir)).toEqual([])
    expect((await world.fetch(PAGE)).status).toBe(404)
  }
})

describe('an upload whose connection is cut', () => {
  it('leaves nothing, at any of twenty points, and a whole one then succeeds', async () => {
    const { contentType, body } = uploadForm(WHEEL)
    for (let step = 0; step < 20; step++) {
      await cutAfter(contentType, body, Math.floor((body.byteLength * step) / 20))
    }
    await expect.poll(() => storedFiles(world.dir)).toEqual([])
    expect((await world.fetch(PAGE)).status).toBe(404)
    expect((await postForm(world.url, uploadForm(WHEEL))).status).toBe(200)
    expect(await download(WHEEL.filename)).toEqual(WHEEL.bytes)
    // The wheel and its METADATA: what counts as nothing above would have been seen. The last of what was cut may have come late.
    await expect.poll(() => storedFiles(world.dir)).toHaveLength(2)
  })
})

function withLateField(file: BuiltFile, field: string): Form {
  const early = uploadForm(file)
  const late = form([[field, '0'.repeat(32)]], [])
  const end = early.body.lastIndexOf('--', early.body.byteLength - 5)
  return { contentType: early.contentType, body: Buffer.concat([early.body.subarray(0, end), late.body]) }
}

async function cutAfter(contentType: string, body: Buffer, length: number): Promise<void> {
  const { hostname, port } = new URL(world.url)
  const socket = connect({ host: hostname, port: Number(port) })
  await once(socket, 'connect')
  const head = `POST /python/legacy/ HTTP/1.1\r\nHost: ${hostname}\r\nContent-Type: ${contentType}\r\nContent-Length: ${body.byteLength}\r\n\r\n`
  await new Promise<void>((resolve) =>
    socket.write(Buffer.concat([Buffer.from(head), body.subarray(0, length)]), () => resolve()),
  )
  // Long enough for the bytes to arrive, so that the cut meets an upload in progress.
  await new Promise((resolve) => setTimeout(resolve, 10))
  socket.destroy()
}

async function json(path: string) {
  const answer = await world.fetch(path, { headers: { Accept: 'application/vnd.pypi.simple.v1+json' } })
  return (await answer.json()) as { versions: string[]; files: { filename: string }[] }
}

async function download(filename: string): Promise<Buffer> {
  return Buffer.from(await (await world.fetch(`/python/files/foo/${filename}`)).arrayBuffer())
}
