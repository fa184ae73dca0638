import { afterAll, beforeAll, describe, expect, it } from 'vitest'

import { blobLocation } from '../../../src/blobs/blob-location.ts'
import { decode, type Codec } from '../../../src/codec/decode.ts'
import { fsck } from '../../../src/fsck.ts'
import { CODECS } from '../../helpers/compress.ts'
import { collect, inPieces } from '../../helpers/depot.ts'
import { sha256Hex } from '../../helpers/nar.ts'
import { nixUpload, PUBLIC, push, put, startNixWorld, type NixUpload } from '../../helpers/nix-upload.ts'
import { storedFilesOf } from '../../helpers/stored-files.ts'
import type { World } from '../../helpers/world.ts'

describe('downloads', () => {
  let world: World
  let uploads: Map<string, NixUpload>
  beforeAll(async () => {
    world = await startNixWorld()
    uploads = new Map()
    for (const codec of CODECS) {
      const upload = await nixUpload(`${codec} content\n`.repeat(20), { codec, name: codec })
      await push(world, upload)
      uploads.set(codec, upload)
    }
  })
  afterAll(() => world[Symbol.asyncDispose]())

  function uploadOf(codec: string): NixUpload {
    const upload = uploads.get(codec)
    if (upload === undefined) throw new Error(`nothing was uploaded as ${codec}`)
    return upload
  }

  async function bytesOf(
    file: string,
    headers: Record<string, string> = {},
  ): Promise<{ status: number; bytes: Buffer; headers: Headers }> {
    const answer = await world.fetch(file, { headers })
    return { status: answer.status, bytes: Buffer.from(await answer.arrayBuffer()), headers: answer.headers }
  }

  it.each(['', '/nix'])('of nix-cache-info say what a client must know, at "%s"', async (mount) => {
    const answer = await bytesOf(`${mount}/nix-cache-info`)
    expect(answer.headers.get('content-type')).toBe('text/x-nix-cache-info')
    expect(answer.bytes.toString()).toBe(`StoreDir: /nix/store\nWantMassQuery: 1\nPriority: 30\nPublicKey: ${PUBLIC}\n`)
  })

  it('of nix-cache-info stay as they are when a client writes its own', async () => {
    expect((await put(world, '/nix/nix-cache-info', 'StoreDir: /nix/store\n')).status).toBe(200)
    expect((await put(world, '/nix/nix-cache-info', 'StoreDir: /nix/store\nPriority: 1\n')).status).toBe(200)
    for (const body of ['StoreDir: /gnu/store\n', 'StoreDir: /nix/store/\n', '', 'nonsense'])
      expect((await put(world, '/nix/nix-cache-info', body)).status).toBe(400)
    expect((await bytesOf('/nix/nix-cache-info')).bytes.toString()).toContain('Priority: 30\n')
  })

  it.each(CODECS)('of what came as %s give the archive by its NarHash, as it is and as it is stored', async (codec) => {
    const { narHash, nar } = uploadOf(codec)
    for (const mount of ['', '/nix']) {
      expect((await bytesOf(`${mount}/nar/${narHash}.nar`)).bytes).toEqual(nar)
      const stored = await bytesOf(`${mount}/nar/${narHash}.nar.zst`)
      expect(await contentOf(stored.bytes, 'zstd')).toEqual({ codec: 'zstd', content: nar })
      expect(stored.headers.get('content-encoding')).toBeNull()
    }
  })

  it.each(CODECS.filter((codec) => codec !== 'bzip2'))(
    'of what came as %s give the same codec under its old name',
    async (codec) => {
      const { fileName, nar } = uploadOf(codec)
      const answer = await bytesOf(`/nix/nar/${fileName}`)
      expect(answer.headers.get('content-length')).toBe(String(answer.bytes.byteLength))
      expect(await contentOf(answer.bytes, codec)).toEqual({ codec, content: nar })
    },
  )

  it('of what came as bzip2 are not there under its old name, and HEAD says so', async () => {
    const { fileName } = uploadOf('bzip2')
    for (const method of ['GET', 'HEAD'])
      expect((await world.fetch(`/nix/nar/${fileName}`, { method })).status).toBe(404)
  })

  it.each([
    ['as it is', (upload: NixUpload) => `${upload.narHash}.nar`, 'none'],
    ['as it is stored', (upload: NixUpload) => `${upload.narHash}.nar.zst`, 'none'],
    ['in xz', (upload: NixUpload) => upload.fileName, 'xz'],
    ['in gzip', (upload: NixUpload) => upload.fileName, 'gzip'],
    ['in br', (upload: NixUpload) => upload.fileName, 'br'],
  ])('of an archive %s may be of parts and conditional', async (_, nameOf, codec) => {
    const file = `/nix/nar/${nameOf(uploadOf(codec))}`
    const { bytes, headers } = await bytesOf(file)
    const etag = headers.get('etag') ?? ''
    expect(etag).toMatch(/^"[^"]+"$/)
    expect(headers.get('accept-ranges')).toBe('bytes')
    expect(headers.get('cache-control')).toContain('immutable')
    const part = await bytesOf(file, { Range: 'bytes=30-' })
    expect(part.status).toBe(206)
    expect(part.bytes).toEqual(bytes.subarray(30))
    expect(part.headers.get('content-range')).toBe(`bytes 30-${bytes.byteLength - 1}/${bytes.byteLength}`)
    expect((await bytesOf(file, { Range: 'bytes=30-', 'If-Range': '"other"' })).status).toBe(200)
    expect((await bytesOf(file, { Range: `bytes=${bytes.byteLength}-` })).status).toBe(416)
    expect((await bytesOf(file, { 'If-None-Match': etag })).status).toBe(304)
  })

  it('of an archive have another entity tag in each form', async () => {
    const { nar, narHash } = uploadOf('xz')
    const others = await Promise.all((['xz', 'gzip', 'br'] as const).map((codec) => nixUpload('', { codec, nar })))
    for (const { fileName, body } of others) await put(world, `/nix/nar/${fileName}`, body)
    const files = [`${narHash}.nar`, `${narHash}.nar.zst`, ...others.map(({ fileName }) => fileName)]
    const etags = await Promise.all(files.map(async (file) => (await bytesOf(`/nix/nar/${file}`)).headers.get('etag')))
    expect(new Set(etags).size).toBe(5)
  })

  it('of a narinfo are conditional, short-lived and the same for HEAD', async () => {
    const file = `/nix/${uploadOf('xz').storeHash}.narinfo`
    const { headers } = await bytesOf(file)
    expect(headers.get('cache-control')).toBe('max-age=300')
    expect((await bytesOf(file, { 'If-None-Match': headers.get('etag') ?? '' })).status).toBe(304)
    const head = await world.fetch(file, { method: 'HEAD' })
    expect(head.headers.get('content-length')).toBe(headers.get('content-length'))
  })

  it.each([
    `/nix/${'0'.repeat(32)}.narinfo`,
    `/${'0'.repeat(32)}.narinfo`,
    `/nix/nar/${'0'.repeat(52)}.nar`,
    `/nix/nar/${'0'.repeat(52)}.nar.zst`,
    `/nix/nar/${'0'.repeat(52)}.nar.xz`,
    `/nar/${'0'.repeat(52)}.nar.lz4`,
  ])('of what is not here are refused in plain text that nobody keeps: %s', async (file) => {
    const answer = await bytesOf(file)
    expect(answer.status).toBe(404)
    expect(answer.headers.get('cache-control')).toBe('no-store')
    expect(answer.headers.get('content-type')).toContain('text/plain')
    expect(answer.bytes.toString()).toMatch(/not found/)
  })

  it('write nothing', async () => {
    const before = await world.depot.kv.references(undefined, 100)
    for (let count = 0; count < 3; count++) await bytesOf(`/nix/${'1'.repeat(32)}.narinfo`)
    expect(await world.depot.kv.references(undefined, 100)).toEqual(before)
  })
})

describe('an archive that storage lost', () => {
  it('is 404 under all of its names, is found by fsck, and is back when it is sent again', async () => {
    await using world = await startNixWorld()
    const upload = await nixUpload('lost', { codec: 'xz' })
    await push(world, upload)
    const digest = sha256Hex(upload.nar)
    await storedFilesOf(world.dir).remove(blobLocation('main', digest))
    for (const file of [`${upload.narHash}.nar`, `${upload.narHash}.nar.zst`, upload.fileName]) {
      for (const method of ['HEAD', 'GET'])
        expect((await world.fetch(`/nix/nar/${file}`, { method })).status, `${method} ${file}`).toBe(404)
    }
    expect(
      (await Array.fromAsync(fsck({ ...world.depot, full: true }))).some(({ severity }) => severity === 'error'),
    ).toBe(true)
    expect((await put(world, `/nix/nar/${upload.fileName}`, upload.body)).status).toBe(200)
    for (const file of [`${upload.narHash}.nar`, `${upload.narHash}.nar.zst`, upload.fileName])
      expect((await world.fetch(`/nix/nar/${file}`)).status).toBe(200)
    expect(world.bugs).toEqual([])
  })

  it('is 404 when it is quarantined', async () => {
    await using world = await startNixWorld()
    const upload = await nixUpload('quarantined')
    await push(world, upload)
    await world.depot.kv.setBlobState('main', sha256Hex(upload.nar), 'quarantined')
    for (const file of [`${upload.narHash}.nar`, `${upload.narHash}.nar.zst`, upload.fileName])
      expect((await world.fetch(`/nix/nar/${file}`, { method: 'HEAD' })).status).toBe(404)
  })

  it('takes the narinfo away with its archive, because clients would not send what is listed, and heals by a push', async () => {
    await using world = await startNixWorld()
    const upload = await nixUpload('healed')
    await push(world, upload)
    const narinfo = `/nix/${upload.storeHash}.narinfo`
    const whole = await (await world.fetch(narinfo)).text()
    await world.depot.kv.setBlobState('main', sha256Hex(upload.nar), 'quarantined')
    expect((await world.fetch(narinfo)).status).toBe(404)
    await push(world, upload)
    expect(await (await world.fetch(narinfo)).text()).toBe(whole)
    expect((await world.fetch(`/nix/nar/${upload.narHash}.nar`)).status).toBe(200)
  })
})

async function contentOf(bytes: Buffer, codec: Codec): Promise<{ codec: string; content: Buffer }> {
  const magic = Buffer.concat([Buffer.of(13, 0, 0, 0, 0, 0, 0, 0), Buffer.from('nix-archive-1')])
  const decoding = await decode(inPieces(bytes), magic, codec === 'br' ? codec : undefined)
  return { codec: decoding.codec, content: await collect(decoding.content) }
}
