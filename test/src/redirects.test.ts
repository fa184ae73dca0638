import { randomBytes } from 'node:crypto'

import { expect, it } from 'vitest'

import { blobLocation } from '../../src/blobs/blob-location.ts'
import type { BlobStore } from '../../src/blobs/blob-store.ts'
import type { BlobRow } from '../../src/kv-store.ts'
import { createRedirects, type Reader } from '../../src/redirects.ts'
import { openMemoryBlobStore } from '../../storage/blob/memory.ts'
import { makeToken } from '../helpers/guarded-routes.ts'
import { describeWith, have } from '../helpers/have.ts'
import { makeLoginKey } from '../helpers/forged-logins.ts'
import { sha256Hex } from '../helpers/nar.ts'
import { nixUpload } from '../helpers/nix-upload.ts'
import { tarballOf, withProvenance } from '../helpers/npm-fixtures.ts'
import { uploadForm } from '../helpers/python-upload.ts'
import { openS3World } from '../helpers/s3-store.ts'
import { createBucket } from '../helpers/s3.ts'
import { s3Settings } from '../helpers/storage-pairs.ts'
import { buildWheel } from '../helpers/wheel.ts'
import { startWorld, type World } from '../helpers/world.ts'

const HEADERS = ['Content-Type', 'application/x-tar', 'Cache-Control', 'max-age=9', 'Content-Disposition', 'attachment']
const READER: Reader = { address: '10.0.0.7', host: 'depot.example:8080', hasCredentials: false }

/** A depot in a bucket, to which it sends its readers. */
async function startRedirecting(settings: Readonly<Record<string, string | readonly string[]>>, authFile?: string) {
  const bucket = await createBucket(have.paths.s3)
  const world = await startWorld({
    settings: { 'storage-type': 's3', ...s3Settings(bucket), 'trusted-proxy': '127.0.0.1', ...settings },
    ...(authFile === undefined ? {} : { authFile }),
  })
  return {
    world,
    ask: (path: string, headers: Record<string, string> = {}, method = 'GET') =>
      world.fetch(path, { method, redirect: 'manual', headers }),
    async [Symbol.asyncDispose]() {
      await world[Symbol.asyncDispose]()
      await bucket[Symbol.asyncDispose]()
    },
  }
}

const nar = await nixUpload('what is downloaded')
const wheel = buildWheel({ name: 'demo', version: '1.0' })
const ARCHIVES = [
  `/nix/nar/${nar.narHash}.nar.zst`,
  '/npm/demo/-/demo-1.0.0.tgz',
  `/python/files/demo/${wheel.filename}`,
]
const OTHERS = [
  `/nix/nar/${nar.narHash}.nar`,
  `/nix/${nar.storeHash}.narinfo`,
  '/nix/nix-cache-info',
  '/npm/demo',
  '/npm/-/npm/v1/attestations/demo@1.0.0',
  '/python/simple/demo/',
  `/python/files/demo/${wheel.filename}.metadata`,
]

async function fill(world: World, authorization = 'Bearer any'): Promise<void> {
  const headers = { authorization }
  const manifest = { name: 'demo', version: '1.0.0' }
  const { body, contentType } = uploadForm(wheel)
  const asked = [
    world.fetch(`/nix/nar/${nar.fileName}`, { method: 'PUT', body: Uint8Array.from(nar.body), headers }),
    world.fetch('/npm/demo', {
      method: 'PUT',
      body: JSON.stringify(withProvenance(manifest, await tarballOf(manifest))),
      headers,
    }),
    world.fetch('/python/legacy/', {
      method: 'POST',
      body: Uint8Array.from(body),
      headers: { ...headers, 'content-type': contentType },
    }),
  ]
  for (const { status } of await Promise.all(asked)) expect([200, 201]).toContain(status)
  const narinfo = { method: 'PUT', body: nar.narinfo(), headers }
  expect((await world.fetch(`/nix/${nar.storeHash}.narinfo`, narinfo)).status).toBe(201)
}

/** Bytes in a store, and the row that says so. */
async function rowIn(blobs: BlobStore, store = ''): Promise<BlobRow> {
  const bytes = randomBytes(1000)
  const digest = sha256Hex(bytes)
  await using staged = await blobs.stage()
  await staged.write(bytes)
  await staged.publish(blobLocation('main', digest))
  const [sizeBytes, frames] = [bytes.byteLength, new Uint8Array(0)]
  return {
    domain: 'main',
    digest,
    sizeBytes,
    encoding: 'raw',
    storedBytes: sizeBytes,
    storedSha256: digest,
    layout: 'whole',
    frames,
    state: 'live',
    store,
  }
}

describeWith('s3', 'redirects to a bucket', () => {
  it('send a GET of stored bytes there, and nothing else', async () => {
    await using redirecting = await startRedirecting({ 's3-redirect': 'always' })
    const { world, ask } = redirecting
    await fill(world)
    for (const path of ARCHIVES) {
      const answer = await ask(path)
      const headers = Object.fromEntries(answer.headers)
      expect({ path, status: answer.status, headers }).toMatchObject({
        status: 302,
        headers: { 'cache-control': 'no-store', 'content-length': '0' },
      })
      expect(await answer.text()).toBe('')
      const own = await ask(path, {}, 'HEAD')
      const elsewhere = await fetch(headers['location'] ?? '')
      expect([own.status, elsewhere.status]).toEqual([200, 200])
      for (const name of ['content-type', 'content-disposition', 'content-length', 'accept-ranges'])
        expect([name, elsewhere.headers.get(name)]).toEqual([name, own.headers.get(name)])
      expect(elsewhere.headers.get('cache-control')).toBe(`${own.headers.get('cache-control')}, private`)
      const bytes = Buffer.from(await elsewhere.arrayBuffer())
      if (path.endsWith('.whl')) expect(bytes).toEqual(wheel.bytes)
      const part = await world.fetch(path, { headers: { range: 'bytes=5-' } })
      expect([part.status, Buffer.from(await part.arrayBuffer())]).toEqual([206, bytes.subarray(5)])
      expect((await ask(path, { 'if-none-match': own.headers.get('etag') ?? '' })).status).toBe(304)
    }
    for (const path of OTHERS) expect([path, (await ask(path)).status]).toEqual([path, 200])
    expect(world.bugs).toEqual([])
  }, 60_000)

  it('go by where the client is, and by size', async () => {
    await using redirecting = await startRedirecting({
      's3-redirect': 'auto',
      's3-redirect-network': ['10.0.0.0/8'],
      's3-redirect-min-size': String(wheel.bytes.byteLength),
    })
    const { world, ask } = redirecting
    await fill(world)
    const [small = '', , large = ''] = ARCHIVES
    const statuses = async (address: string) =>
      Promise.all([small, large].map(async (path) => (await ask(path, { 'x-forwarded-for': address })).status))
    expect(await statuses('10.9.8.7')).toEqual([200, 302])
    expect(await statuses('11.9.8.7')).toEqual([200, 200])
  }, 60_000)

  it('tell whoever may not read nothing', async () => {
    const key = makeLoginKey()
    await using redirecting = await startRedirecting(
      { 's3-redirect': 'always', 'read-auth': 'always' },
      `w ${key.line} writer@test\n`,
    )
    const { world, ask } = redirecting
    const all = await makeToken(world.url, key, ['*:*:*'])
    await fill(world, `Bearer ${all}`)
    const other = await makeToken(world.url, key, ['npm:read:other', 'python:read:other'])
    for (const path of ARCHIVES)
      for (const headers of [{}, { authorization: `Bearer ${other}` }]) {
        const answer = await ask(path, headers)
        expect([401, 403, 404]).toContain(answer.status)
        expect(answer.headers.get('location')).toBeNull()
      }
  }, 60_000)

  it('are not made for credentials that a client would take along: where only the port is another', async () => {
    await using s3 = await openS3World(have.paths.s3)
    const row = await rowIn(s3.store)
    const urlOf = createRedirects({ of: () => s3.store }, { sizeBytesMin: 0, reaches: () => true })
    const asked = async (reader: Partial<Reader>) => (await urlOf(row, { ...READER, ...reader }, HEADERS)) !== undefined
    expect(await asked({ hasCredentials: true })).toBe(true)
    expect(await asked({ host: '127.0.0.1:1' })).toBe(true)
    expect(await asked({ host: '127.0.0.1:1', hasCredentials: true })).toBe(false)
    expect(await asked({ host: '127.0.0.1', hasCredentials: true })).toBe(false)
  })

  it('lead to the store of the row, and nowhere when that has no addresses', async () => {
    await using s3 = await openS3World(have.paths.s3)
    await using memory = openMemoryBlobStore({})
    const [inBucket, inMemory] = [await rowIn(s3.store, 'cold'), await rowIn(memory, 'hot')]
    const of = ({ store }: Pick<BlobRow, 'store'>) => (store === 'cold' ? s3.store : memory)
    const urlOf = createRedirects({ of }, { sizeBytesMin: 0, reaches: () => true })
    const answer = await fetch((await urlOf(inBucket, READER, HEADERS)) ?? '')
    expect(sha256Hex(Buffer.from(await answer.arrayBuffer()))).toBe(inBucket.digest)
    expect(answer.headers.get('content-type')).toBe('application/x-tar')
    expect(await urlOf(inMemory, READER, HEADERS)).toBeUndefined()
  })
})
