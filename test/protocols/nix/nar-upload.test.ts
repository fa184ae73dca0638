import { randomBytes } from 'node:crypto'
import { connect } from 'node:net'
import { gzipSync, zstdCompressSync } from 'node:zlib'

import { afterAll, beforeAll, describe, expect, it } from 'vitest'

import { hexOfNix32 } from '../../../protocols/nix/nix32.ts'
import type { Codec } from '../../../src/codec/decode.ts'
import { compress, CODECS } from '../../helpers/compress.ts'
import { fileNar, narStrings, sha256Hex, sha256Nix32 } from '../../helpers/nar.ts'
import { nixUpload, put, startNixWorld } from '../../helpers/nix-upload.ts'
import { storedFiles } from '../../helpers/stored-files.ts'
import type { World } from '../../helpers/world.ts'

describe('an uploaded archive', () => {
  it.each(CODECS)('is kept as the same blob when it comes as %s', async (codec) => {
    await using world = await startNixWorld()
    const upload = await nixUpload('some content', { codec })
    expect((await put(world, `/nix/nar/${upload.fileName}`, upload.body)).status).toBe(201)
    const [blob, ...others] = await world.depot.kv.blobs(undefined, 10)
    expect(others).toEqual([])
    expect(blob).toMatchObject({ digest: sha256Hex(upload.nar), sizeBytes: upload.nar.byteLength, encoding: 'zstd' })
    expect(await storedFiles(world.dir)).toEqual([sha256Hex(upload.nar)])
  })

  it.each(CODECS)('may be sent again as %s, and changes nothing', async (codec) => {
    await using world = await startNixWorld()
    const upload = await nixUpload('again', { codec })
    const url = `/nix/nar/${upload.fileName}`
    const answers = [await put(world, url, upload.body), await put(world, url, upload.body)]
    expect(answers.map(({ status }) => status)).toEqual([201, 200])
    expect(await storedFiles(world.dir)).toHaveLength(1)
  })

  it.each(['none', 'zstd'] as const)('of many megabytes is what was sent, as %s', async (codec) => {
    await using world = await startNixWorld()
    const upload = await nixUpload(
      Buffer.concat([randomBytes(3_000_000), Buffer.alloc(4_000_000, 'depot '), randomBytes(999)]),
      { codec },
    )
    expect((await put(world, `/nix/nar/${upload.fileName}`, upload.body)).status).toBe(201)
    const plain = await world.fetch(`/nix/nar/${upload.narHash}.nar`)
    expect(upload.nar.equals(Buffer.from(await plain.arrayBuffer()))).toBe(true)
    expect(world.bugs).toEqual([])
  })

  it('may be sent by many at once', async () => {
    await using world = await startNixWorld()
    const upload = await nixUpload('x'.repeat(2_000_000))
    const sent = Array.from({ length: 8 }, () => put(world, `/nix/nar/${upload.fileName}`, upload.body))
    for (const { status } of await Promise.all(sent)) expect([200, 201]).toContain(status)
    expect(await storedFiles(world.dir)).toHaveLength(1)
    expect(world.bugs).toEqual([])
  })

  it.each([
    ['none', ''],
    ['gzip', '.gz'],
    ['xz', '.xz'],
    ['bzip2', '.bz2'],
    ['zstd', '.zst'],
    ['br', '.br'],
  ] as const)('may be named by its NarHash when it comes as %s with that suffix', async (codec, suffix) => {
    await using world = await startNixWorld()
    const upload = await nixUpload('by NarHash', { codec })
    expect((await put(world, `/nix/nar/${upload.narHash}.nar${suffix}`, upload.body)).status).toBe(201)
    const plain = await world.fetch(`/nix/nar/${upload.narHash}.nar`)
    expect(Buffer.from(await plain.arrayBuffer())).toEqual(upload.nar)
  })

  it('may be of many zstd frames, skippable ones among them', async () => {
    await using world = await startNixWorld()
    const nar = fileNar('framed '.repeat(100_000))
    const body = Buffer.concat([
      Buffer.from('502a4d1804000000aabbccdd', 'hex'),
      zstdCompressSync(nar.subarray(0, 100_000)),
      zstdCompressSync(nar.subarray(100_000)),
    ])
    expect((await put(world, `/nix/nar/${sha256Nix32(body)}.nar.zst`, body)).status).toBe(201)
    const plain = await world.fetch(`/nix/nar/${sha256Nix32(nar)}.nar`)
    expect(Buffer.from(await plain.arrayBuffer()).equals(nar)).toBe(true)
  })

  it('is spoken of in the audit', async () => {
    await using world = await startNixWorld()
    const upload = await nixUpload('audited')
    await put(world, `/nix/nar/${upload.fileName}`, upload.body)
    const references = await world.depot.kv.references(undefined, 10)
    expect(references).toMatchObject([{ kind: 'nix-upload', key: upload.fileName, digest: hexOfNix32(upload.narHash) }])
  })
})

describe('an upload that is refused', () => {
  let world: World
  beforeAll(async () => {
    world = await startNixWorld()
  })
  afterAll(() => world[Symbol.asyncDispose]())

  /** Refused with this status and a sentence, and afterwards as if it had never been sent. */
  async function expectRefused(url: string, body: Buffer, status: number, text: RegExp): Promise<void> {
    const answer = await put(world, url, body)
    expect(answer).toEqual({ status, text: expect.stringMatching(text) as unknown })
    for (const method of ['GET', 'HEAD'])
      expect((await world.fetch(url, { method })).status).toBe(status === 400 ? 400 : 404)
    expect(await storedFiles(world.dir)).toEqual([])
    expect(await world.depot.kv.blobs(undefined, 10)).toEqual([])
    expect(world.bugs).toEqual([])
  }

  const named = (body: Buffer, suffix: string): string => `/nix/nar/${sha256Nix32(body)}.nar${suffix}`

  /** Brotli goes by its suffix alone. */
  const suffixOf = (codec: Codec): string => (codec === 'br' ? '.br' : '')

  it.each(CODECS)('was cut before the hash was taken: %s', async (codec) => {
    const whole = await compress(codec, fileNar('cut '.repeat(200)))
    for (const length of [1, 10, 24, 60, whole.byteLength >> 1, whole.byteLength - 1]) {
      const body = whole.subarray(0, length)
      await expectRefused(named(body, suffixOf(codec)), body, 422, /./)
    }
  })

  it.each(CODECS)('has something behind its end: %s', async (codec) => {
    const body = Buffer.concat([await compress(codec, fileNar('whole')), Buffer.from('and more')])
    await expectRefused(named(body, suffixOf(codec)), body, 422, /./)
  })

  it.each(CODECS)('holds two archives: %s', async (codec) => {
    const body = await compress(codec, Buffer.concat([fileNar('one'), fileNar('two')]))
    await expectRefused(named(body, suffixOf(codec)), body, 422, /after its end/)
  })

  it.each(CODECS.filter((codec) => codec !== 'none'))('is %s of something else', async (codec) => {
    const body = await compress(codec, Buffer.from('not an archive at all'))
    await expectRefused(named(body, suffixOf(codec)), body, 422, /not a Nix archive/)
  })

  it('is an archive that would unpack elsewhere', async () => {
    const evil = narStrings('nix-archive-1', '(', 'type', 'directory', 'entry', '(', 'name', '../x', 'node')
    for (const body of [evil, gzipSync(evil), zstdCompressSync(evil)])
      await expectRefused(named(body, ''), body, 422, /entry named "\.\.\/x"/)
  })

  it.each(CODECS)('is not what its name says: %s', async (codec) => {
    const upload = await nixUpload('honest', { codec })
    const other = sha256Nix32(Buffer.from('other'))
    await expectRefused(
      `/nix/nar/${other}.nar${suffixOf(codec) || '.xz'}`,
      upload.body,
      422,
      new RegExp(`${upload.narHash}`),
    )
  })

  it('is compressed under the name that is the archive itself', async () => {
    const upload = await nixUpload('hidden', { codec: 'gzip' })
    await expectRefused(`/nix/nar/${upload.narHash}.nar`, upload.body, 422, /suffix/)
  })

  it.each([
    ['lz4', '04224d18'],
    ['lzip', '4c5a4950'],
    ['brotli that does not say so', '0b1f80'],
    ['text', Buffer.from('notanar').toString('hex')],
  ])('is %s', async (_, hex) => {
    const body = Buffer.concat([Buffer.from(hex, 'hex'), Buffer.alloc(100, 7)])
    await expectRefused(named(body, '.lz4'), body, 415, /\?compression=zstd/)
  })

  it.each(CODECS.filter((codec) => codec !== 'br'))('calls itself brotli and is %s', async (codec) => {
    const body = await compress(codec, fileNar('no brotli'))
    await expectRefused(named(body, '.br'), body, 422, /not whole brotli data/)
  })

  it('is empty', async () => {
    await expectRefused(named(Buffer.alloc(0), ''), Buffer.alloc(0), 422, /ends after 0 bytes/)
  })

  it.each([
    'x.nar',
    `${'0'.repeat(51)}.nar`,
    `${'e'.repeat(52)}.nar`,
    `${'0'.repeat(52)}.tar`,
    `${'0'.repeat(52)}.nar.`,
    '%2e%2e%2fx',
  ])('is named %s', async (name) => {
    await expectRefused(`/nix/nar/${name}`, fileNar('x'), 400, /./)
  })

  it('has a Content-Encoding', async () => {
    const upload = await nixUpload('encoded', { codec: 'none' })
    const answer = await put(world, `/nix/nar/${upload.fileName}`, gzipSync(upload.body), {
      'Content-Encoding': 'gzip',
    })
    expect(answer).toEqual({ status: 415, text: expect.stringContaining('Content-Encoding') as unknown })
    expect(await storedFiles(world.dir)).toEqual([])
  })

  it.each(CODECS)('ends before its declared length: %s', async (codec) => {
    const upload = await nixUpload('declared '.repeat(50), { codec })
    const url = `/nix/nar/${upload.fileName}`
    const socket = connect({ host: '127.0.0.1', port: Number(new URL(world.url).port) })
    socket.on('error', () => {})
    const head = `PUT ${url} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: ${upload.body.byteLength}\r\n\r\n`
    socket.write(Buffer.concat([Buffer.from(head), upload.body.subarray(0, -1)]))
    await new Promise((resolve) => setTimeout(resolve, 50))
    socket.destroy()
    await expect.poll(() => storedFiles(world.dir)).toEqual([])
    expect((await world.fetch(url, { method: 'HEAD' })).status).toBe(404)
  })

  it('leaves the way free for the good one', async () => {
    const upload = await nixUpload('good after all')
    const url = `/nix/nar/${upload.fileName}`
    await expectRefused(url, upload.body.subarray(0, -3), 422, /./)
    expect((await put(world, url, upload.body)).status).toBe(201)
    expect((await world.fetch(url, { method: 'HEAD' })).status).toBe(200)
  })
})
