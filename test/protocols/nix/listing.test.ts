import { afterAll, beforeAll, describe, expect, it } from 'vitest'

import { compress } from '../../helpers/compress.ts'
import { sha256Hex } from '../../helpers/nar.ts'
import { nixUpload, push, put, startNixWorld } from '../../helpers/nix-upload.ts'
import type { World } from '../../helpers/world.ts'

describe('a listing', () => {
  let world: World
  beforeAll(async () => {
    world = await startNixWorld()
  })
  afterAll(() => world[Symbol.asyncDispose]())

  it.each(['', '/nix'])('is made from the archive, at "%s", and kept', async (mount) => {
    const upload = await nixUpload(`listed at ${mount}`)
    await push(world, upload)
    const path = `${mount}/${upload.storeHash}.ls`
    for (let round = 0; round < 2; round++) {
      const answer = await world.fetch(path)
      expect(answer.headers.get('content-type')).toBe('application/json')
      expect(await answer.json()).toEqual({
        version: 1,
        root: { type: 'regular', size: `listed at ${mount}`.length, narOffset: 96 },
      })
      const etag = answer.headers.get('etag') ?? ''
      expect((await world.fetch(path, { headers: { 'If-None-Match': etag } })).status).toBe(304)
    }
    const key = { cache: 1, kind: 'nix-path', key: upload.storeHash, variant: 'ls', origin: '' }
    expect(await world.depot.kv.document(key)).toBeDefined()
  })

  it('that a client sends is taken and dropped, before the path and after it', async () => {
    const upload = await nixUpload('the truth')
    const path = `/nix/${upload.storeHash}.ls`
    const lie = JSON.stringify({ version: 1, root: { type: 'symlink', target: '/etc/passwd' } })
    expect((await put(world, path, lie)).status).toBe(200)
    expect((await world.fetch(path)).status).toBe(404)
    await push(world, upload)
    expect((await put(world, path, lie)).status).toBe(200)
    expect(await (await world.fetch(path)).text()).not.toContain('passwd')
    const packed = await compress('xz', Buffer.from(` ${lie}\n`))
    expect((await put(world, path, packed, { 'Content-Encoding': 'xz' })).status).toBe(200)
  })

  it.each(['', '[]', 'null', '"{}"', '<!doctype html>', '{', '}{', '  '])(
    'that is no JSON object is refused: %j',
    async (body) => {
      const answer = await put(world, `/nix/${'0'.repeat(32)}.ls`, body)
      expect(answer).toEqual({ status: 400, text: expect.stringContaining('JSON object') as unknown })
    },
  )

  it('is not there for a path that is not, nor for one whose archive is lost', async () => {
    const upload = await nixUpload('to be lost')
    await push(world, upload)
    const path = `/nix/${upload.storeHash}.ls`
    expect((await world.fetch(path)).status).toBe(200)
    await world.depot.kv.setBlobState('main', sha256Hex(upload.nar), 'quarantined')
    for (const missing of [path, `/nix/${'0'.repeat(32)}.ls`]) {
      const answer = await world.fetch(missing)
      expect([answer.status, answer.headers.get('cache-control')]).toEqual([404, 'no-store'])
    }
  })

  it.each([`${'0'.repeat(31)}.ls`, `${'e'.repeat(32)}.ls`, `${'0'.repeat(32)}.LS`, `${'0'.repeat(32)}.ls%2f`])(
    'is not called %s',
    async (name) => {
      expect((await put(world, `/nix/${name}`, '{}')).status).toBeOneOf([400, 404, 405])
    },
  )

  it('ends in no bug, whatever came', () => {
    expect(world.bugs).toEqual([])
  })
})
