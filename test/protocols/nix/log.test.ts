import { afterAll, beforeAll, describe, expect, it } from 'vitest'

import { LIMITS } from '../../../src/limits.ts'
import { compress } from '../../helpers/compress.ts'
import { sha256Hex, sha256Nix32 } from '../../helpers/nar.ts'
import { nixUpload, put, startNixWorld } from '../../helpers/nix-upload.ts'
import type { World } from '../../helpers/world.ts'

const HASH = '54vm60lrm3kmi5v6vf7li41kb9k37c88'
const NAME = `${HASH}-hello.drv`

describe('a build log', () => {
  let world: World
  beforeAll(async () => {
    world = await startNixWorld()
  })
  afterAll(() => world[Symbol.asyncDispose]())

  const digestsOf = async (resource: string): Promise<string[]> =>
    (await world.depot.kv.audit(0, 1000)).filter((line) => line.resource === resource).map(({ digest }) => digest)

  it.each(['', '/nix'])('is stored and served as plain text, whole and in part, at "%s"', async (mount) => {
    const path = `${mount}/log/${HASH}-at${mount.length}.drv`
    const text = `<script>alert(1)</script>\n${'made a step\n'.repeat(1000)}`
    expect((await world.fetch(path)).status).toBe(404)
    expect(await put(world, path, text)).toEqual({ status: 201, text: '' })
    const answer = await world.fetch(path)
    expect(answer.headers.get('content-type')).toBe('text/plain; charset=utf-8')
    expect(answer.headers.get('x-content-type-options')).toBe('nosniff')
    expect(answer.headers.get('content-encoding')).toBeNull()
    expect(await answer.text()).toBe(text)
    const part = await world.fetch(path, { headers: { Range: 'bytes=1-6' } })
    expect([part.status, await part.text()]).toEqual([206, 'script'])
    const head = await world.fetch(path, { method: 'HEAD' })
    expect(head.headers.get('content-length')).toBe(String(text.length))
    const etag = answer.headers.get('etag') ?? ''
    expect((await world.fetch(path, { headers: { 'If-None-Match': etag } })).status).toBe(304)
  })

  it('may be empty, and may be no text at all', async () => {
    const path = `/nix/log/${HASH}-odd.drv`
    for (const bytes of [Buffer.alloc(0), Buffer.of(0, 255, 254, 13, 10)]) {
      await put(world, path, bytes)
      expect(Buffer.from(await (await world.fetch(path)).arrayBuffer())).toEqual(bytes)
    }
  })

  it('is replaced by the next one, and the audit log has the digests of both', async () => {
    const path = `/nix/log/${NAME}`
    expect((await put(world, path, 'first')).status).toBe(201)
    expect((await put(world, path, 'first')).status).toBe(200)
    expect((await put(world, path, 'second')).status).toBe(200)
    expect(await (await world.fetch(path)).text()).toBe('second')
    const [first, second] = ['first', 'second'].map((text) => sha256Hex(Buffer.from(text)))
    expect(await digestsOf(`log/${NAME}`)).toEqual([first, first, second])
  })

  it.each(['gzip', 'xz', 'bzip2', 'zstd', 'br'] as const)('that came as %s is served as it is', async (coding) => {
    const path = `/nix/log/${HASH}-${coding}.drv`
    const text = `built with ${coding}\n`.repeat(50)
    const headers = { 'Content-Encoding': coding }
    expect((await put(world, path, await compress(coding, Buffer.from(text)), headers)).status).toBe(201)
    expect(await (await world.fetch(path)).text()).toBe(text)
    const cut = (await compress(coding, Buffer.from(text))).subarray(0, -5)
    expect(await put(world, path, cut, headers)).toEqual({
      status: 422,
      text: expect.stringContaining('not whole') as unknown,
    })
    expect(await put(world, path, 'not compressed at all', headers)).toMatchObject({ status: 422 })
    expect(await (await world.fetch(path)).text()).toBe(text)
  })

  it('with a Content-Encoding that is not read is refused with a sentence that says what to do', async () => {
    const answer = await put(world, `/nix/log/${HASH}-lz4.drv`, 'x', { 'Content-Encoding': 'lz4' })
    expect(answer).toEqual({ status: 415, text: expect.stringContaining('log-compression') as unknown })
  })

  it('that is too large when it is decompressed is refused', async () => {
    const bomb = await compress('gzip', Buffer.alloc(LIMITS.buildLogBytesMax + 1))
    const path = `/nix/log/${HASH}-bomb.drv`
    expect((await put(world, path, bomb, { 'Content-Encoding': 'gzip' })).status).toBe(413)
    expect((await world.fetch(path)).status).toBe(404)
  }, 60_000)

  it.each([
    'x',
    `${HASH}-hello`,
    `${HASH}-.drv.`,
    'hello.drv',
    `${HASH}-he%2fllo.drv`,
    `${HASH}-he%20llo.drv`,
    `${HASH}-<b>.drv`,
    `${HASH.toUpperCase()}-hello.drv`,
    `${'e'.repeat(32)}-hello.drv`,
    `${HASH}-${'x'.repeat(300)}.drv`,
    `..%2f${NAME}`,
    `${NAME}.bz2`,
  ])('of %s is refused', async (name) => {
    expect((await put(world, `/nix/log/${name}`, 'x')).status).toBe(400)
    expect((await world.fetch(`/nix/log/${name}`)).status).toBe(400)
  })

  it('is never served as an archive, nor signed as one', async () => {
    const { nar, narHash, narinfo, storeHash } = await nixUpload('a log that looks like an archive', { codec: 'none' })
    expect((await put(world, `/nix/log/${HASH}-archive.drv`, nar)).status).toBe(201)
    expect(sha256Nix32(nar)).toBe(narHash)
    for (const file of [`${narHash}.nar`, `${narHash}.nar.zst`])
      expect((await world.fetch(`/nix/nar/${file}`)).status).toBe(404)
    expect((await put(world, `/nix/${storeHash}.narinfo`, narinfo())).status).toBe(422)
  })

  it('whose bytes are lost is not there', async () => {
    const path = `/nix/log/${HASH}-lost.drv`
    await put(world, path, 'to be lost')
    await world.depot.kv.setBlobState('main', sha256Hex(Buffer.from('to be lost')), 'quarantined')
    const answer = await world.fetch(path)
    expect([answer.status, answer.headers.get('cache-control')]).toEqual([404, 'no-store'])
    expect((await put(world, path, 'to be lost')).status).toBe(200)
    expect(await (await world.fetch(path)).text()).toBe('to be lost')
  })

  it('ends in no bug, whatever came', () => {
    expect(world.bugs).toEqual([])
  })
})
