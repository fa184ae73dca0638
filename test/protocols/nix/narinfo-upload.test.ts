import { afterAll, beforeAll, describe, expect, it } from 'vitest'

import { parseNarinfo } from '../../../protocols/nix/narinfo.ts'
import { fingerprint, generateSecretKey, parsePublicKey, parseSecretKey } from '../../../protocols/nix/signing.ts'
import { LIMITS } from '../../../src/limits.ts'
import { fileNar, sha256Hex, sha256Nix32 } from '../../helpers/nar.ts'
import { nixUpload, PUBLIC, push, put, SECRET, startNixWorld, type NixUpload } from '../../helpers/nix-upload.ts'
import type { World } from '../../helpers/world.ts'

const OTHER = '54vm60lrm3kmi5v6vf7li41kb9k37c88'

describe('an uploaded narinfo', () => {
  it('is served with our name for the archive and our signature', async () => {
    await using world = await startNixWorld()
    const upload = await nixUpload('served', { codec: 'xz' })
    const dependency = await nixUpload('dependency', { name: 'dep' })
    await push(world, dependency)
    await put(world, `/nix/nar/${upload.fileName}`, upload.body)
    const references = [`${dependency.storeHash}-dep`, `${upload.storeHash}-demo`]
    const text = upload.narinfo({
      References: [...references].reverse().join(' '),
      Deriver: `${OTHER}-demo.drv`,
      System: 'x86_64-linux',
    })
    expect((await put(world, `/nix/${upload.storeHash}.narinfo`, text)).status).toBe(201)
    const answer = await world.fetch(`/nix/${upload.storeHash}.narinfo`)
    expect(answer.headers.get('content-type')).toBe('text/x-nix-narinfo')
    const served = await answer.text()
    const blob = await world.depot.kv.blob('main', sha256Hex(upload.nar))
    expect(parseNarinfo(served)).toEqual({
      storePath: { baseName: `${upload.storeHash}-demo`, hash: upload.storeHash, name: 'demo' },
      url: `nar/${upload.narHash}.nar.zst`,
      compression: 'zstd',
      fileHash: blob?.storedSha256,
      fileSizeBytes: blob?.storedBytes,
      narHash: sha256Hex(upload.nar),
      narSizeBytes: upload.nar.byteLength,
      references: [...references].sort(),
      deriver: `${OTHER}-demo.drv`,
      signatures: [expect.stringMatching(/^test-1:/) as unknown],
    })
    expect(served).not.toContain('System')
  })

  it('bears one signature of each of our keys that verifies, and no others', async () => {
    const second = generateSecretKey('second-1')
    await using world = await startNixWorld(SECRET, second)
    const upload = await nixUpload('signed')
    const signed = fingerprint({
      baseName: `${upload.storeHash}-demo`,
      narHash: upload.narHash,
      narSizeBytes: upload.nar.byteLength,
      references: [],
    })
    const own = parseSecretKey(SECRET).sign(signed)
    const foreign = parseSecretKey(generateSecretKey('stranger-1')).sign(signed)
    await put(world, `/nix/nar/${upload.fileName}`, upload.body)
    const text = `${upload.narinfo()}Sig: ${own}\nSig: ${own}\nSig: ${foreign}\nSig: test-1:AAAA\n`
    expect((await put(world, `/nix/${upload.storeHash}.narinfo`, text)).status).toBe(201)
    const { signatures } = parseNarinfo(await (await world.fetch(`/nix/${upload.storeHash}.narinfo`)).text())
    expect(signatures).toHaveLength(2)
    expect(signatures[0]).toBe(own)
    expect(parsePublicKey(PUBLIC).verify(signed, signatures[0] ?? '')).toBe(true)
    expect(parsePublicKey(parseSecretKey(second).publicKey).verify(signed, signatures[1] ?? '')).toBe(true)
  })

  it('may come again, also from one who compressed in another way, and keeps what it said first', async () => {
    await using world = await startNixWorld()
    const [one, two] = [await nixUpload('same', { codec: 'xz' }), await nixUpload('same', { codec: 'gzip' })]
    await push(world, one)
    const first = await (await world.fetch(`/nix/${one.storeHash}.narinfo`)).text()
    await put(world, `/nix/nar/${two.fileName}`, two.body)
    expect((await put(world, `/nix/${two.storeHash}.narinfo`, two.narinfo())).status).toBe(200)
    expect((await put(world, `/nix/${one.storeHash}.narinfo`, one.narinfo())).status).toBe(200)
    expect(await (await world.fetch(`/nix/${one.storeHash}.narinfo`)).text()).toBe(first)
  })

  it('may be given back as it was served', async () => {
    await using world = await startNixWorld()
    const upload = await nixUpload('given back')
    await push(world, upload)
    const path = `/nix/${upload.storeHash}.narinfo`
    const served = await (await world.fetch(path)).text()
    expect((await put(world, path, served)).status).toBe(200)
    expect(await (await world.fetch(path)).text()).toBe(served)
  })

  it('may name the archive itself, which nobody needs to send when it is here', async () => {
    await using world = await startNixWorld()
    const [one, two] = [
      await nixUpload('shared', { name: 'one' }),
      await nixUpload('shared', { name: 'two', codec: 'none' }),
    ]
    await push(world, one)
    expect((await world.fetch(`/nix/nar/${two.fileName}`, { method: 'HEAD' })).status).toBe(200)
    expect((await put(world, `/nix/${two.storeHash}.narinfo`, two.narinfo())).status).toBe(201)
  })

  it('of another content is refused with a reason, and the first stays', async () => {
    await using world = await startNixWorld()
    const [one, two] = [await nixUpload('first'), await nixUpload('second')]
    await push(world, one)
    await put(world, `/nix/nar/${two.fileName}`, two.body)
    const path = `/nix/${one.storeHash}.narinfo`
    const answer = await put(world, path, two.narinfo({ StorePath: `/nix/store/${one.storeHash}-demo` }))
    expect(answer).toEqual({ status: 409, text: expect.stringContaining('not reproducible') as unknown })
    expect(await (await world.fetch(path)).text()).toContain(one.narHash)
  })

  it('of the same archive under another name is refused, and the first name stays', async () => {
    await using world = await startNixWorld()
    const upload = await nixUpload('named')
    await push(world, upload)
    const path = `/nix/${upload.storeHash}.narinfo`
    const answer = await put(world, path, upload.narinfo({ StorePath: `/nix/store/${upload.storeHash}-other` }))
    expect(answer).toEqual({ status: 409, text: expect.stringContaining(`${upload.storeHash}-demo`) as unknown })
    expect(await (await world.fetch(path)).text()).toContain(`${upload.storeHash}-demo\n`)
  })

  it('is taken once when two with different content come at once', async () => {
    await using world = await startNixWorld()
    const uploads = await Promise.all(['a', 'b', 'c', 'd'].map((content) => nixUpload(content)))
    const storeHash = uploads[0]?.storeHash ?? ''
    for (const { fileName, body } of uploads) await put(world, `/nix/nar/${fileName}`, body)
    const answers = await Promise.all(
      uploads.map((upload) =>
        put(world, `/nix/${storeHash}.narinfo`, upload.narinfo({ StorePath: `/nix/store/${storeHash}-demo` })),
      ),
    )
    expect(answers.filter(({ status }) => status === 201)).toHaveLength(1)
    expect(answers.filter(({ status }) => status === 409)).toHaveLength(3)
  })

  it('is signed by a new key when it is read under one', async () => {
    await using world = await startNixWorld()
    const upload = await nixUpload('rotated')
    await push(world, upload)
    const cache = await world.depot.kv.cache('main')
    const { nixProtocol } = await import('../../../protocols/nix/index.ts')
    const { createApp } = await import('../../../src/app.ts')
    const app = createApp({
      depot: world.depot,
      protocols: [nixProtocol({ signingKeys: [parseSecretKey(generateSecretKey('new-1'))] })],
      site: { loopback: true, allowedHosts: [] },
    })
    const answer = await app.fetch(new Request(`http://127.0.0.1/nix/${upload.storeHash}.narinfo`))
    const text = await answer.text()
    expect(cache?.id).toBe(1)
    expect(text).toMatch(/^Sig: new-1:/m)
    expect(text).not.toContain('test-1:')
  })

  it('is rendered again from its record when its document is gone', async () => {
    await using world = await startNixWorld()
    const upload = await nixUpload('rendered')
    await push(world, upload)
    const path = `/nix/${upload.storeHash}.narinfo`
    const first = await world.fetch(path)
    const record = await world.depot.kv.get(1, 'nix-path', upload.storeHash)
    const refs = [sha256Hex(upload.nar)]
    await world.depot.kv.commit({
      cache: 1,
      puts: [{ kind: 'nix-path', key: upload.storeHash, value: record?.value ?? '', refs }],
    })
    const again = await world.fetch(path)
    expect(await again.text()).toBe(await first.text())
    expect(again.headers.get('etag')).toBe(first.headers.get('etag'))
  })

  it.each([
    [
      'a text',
      (nar: Buffer, content: string) => [
        `text:sha256:${sha256Nix32(Buffer.from(content))}`,
        's5b00ijzqx4db8vf1bcbzgmv3wb3ildz',
        'dep-a',
        nar,
      ],
    ],
    [
      'a tree',
      (nar: Buffer) => [`fixed:r:sha256:${sha256Nix32(nar)}`, 'yjirhkwndvv69k1rvw4gzp6g9a2wh13v', 'hello', nar],
    ],
    [
      'a file',
      (nar: Buffer, content: string) => [
        `fixed:sha256:${sha256Nix32(Buffer.from(content))}`,
        'avk7iqix4j3hsh61lk2is714v4iz73i3',
        'flat',
        nar,
      ],
    ],
  ] as const)('keeps the content address of %s when it is true', async (_, addressed) => {
    await using world = await startNixWorld()
    const content = 'hello a\n'
    const upload = await nixUpload(content)
    const [ca, hash, name] = addressed(fileNar(content), content)
    await put(world, `/nix/nar/${upload.fileName}`, upload.body)
    const path = `/nix/${String(hash)}.narinfo`
    const text = upload.narinfo({ StorePath: `/nix/store/${String(hash)}-${String(name)}`, CA: String(ca) })
    expect(await put(world, path, text)).toEqual({ status: 201, text: '' })
    expect(await (await world.fetch(path)).text()).toContain(`\nCA: ${String(ca)}\n`)
  })
})

describe('a narinfo that is refused', () => {
  let world: World
  let upload: NixUpload
  beforeAll(async () => {
    world = await startNixWorld()
    upload = await nixUpload('mutant')
    await put(world, `/nix/nar/${upload.fileName}`, upload.body)
  })
  afterAll(() => world[Symbol.asyncDispose]())

  async function expectRefused(text: string, status: number, reason: RegExp): Promise<void> {
    const path = `/nix/${upload.storeHash}.narinfo`
    expect(await put(world, path, text)).toEqual({ status, text: expect.stringMatching(reason) as unknown })
    for (const method of ['GET', 'HEAD']) {
      const answer = await world.fetch(path, { method })
      expect(answer.status).toBe(404)
      expect(answer.headers.get('cache-control')).toBe('no-store')
    }
    expect(world.bugs).toEqual([])
  }

  it('is too long', async () => {
    await expectRefused(`${upload.narinfo()}X: ${'x'.repeat(LIMITS.narinfoBytesMax)}\n`, 413, /bytes/)
  })

  it.each([
    ['is cut', (text: string) => text.slice(0, -1)],
    ['is a web page', () => '<!doctype html>\n'],
    ['is empty', () => ''],
    ['is JSON', (text: string) => JSON.stringify(text)],
  ])('%s', async (_, change) => {
    await expectRefused(change(upload.narinfo()), 400, /narinfo/)
  })

  it('is not UTF-8', async () => {
    const answer = await put(world, `/nix/${upload.storeHash}.narinfo`, Buffer.from([0xff, 0xfe]))
    expect(answer.status).toBe(400)
  })

  it.each([
    ['compress', 415, /narinfo-compression/],
    ['xz', 422, /not whole xz data/],
  ] as const)('has the Content-Encoding %s, which is not read here or not true', async (coding, status, reason) => {
    const path = `/nix/${upload.storeHash}.narinfo`
    const answer = await put(world, path, upload.narinfo(), { 'Content-Encoding': coding })
    expect(answer).toEqual({ status, text: expect.stringMatching(reason) as unknown })
  })

  it('came before its archive', async () => {
    const other = await nixUpload('never sent')
    const answer = await put(world, `/nix/${other.storeHash}.narinfo`, other.narinfo())
    expect(answer).toEqual({ status: 422, text: expect.stringContaining('upload it first') as unknown })
  })

  it('has an archive that was taken out of service', async () => {
    const lost = await nixUpload('lost')
    await put(world, `/nix/nar/${lost.fileName}`, lost.body)
    await world.depot.kv.setBlobState('main', sha256Hex(lost.nar), 'quarantined')
    const answer = await put(world, `/nix/${lost.storeHash}.narinfo`, lost.narinfo())
    expect(answer).toEqual({ status: 422, text: expect.stringContaining('upload it first') as unknown })
  })

  it('leaves the way free for the good one', async () => {
    expect((await put(world, `/nix/${upload.storeHash}.narinfo`, upload.narinfo())).status).toBe(201)
  })
})
