import { afterAll, beforeAll, describe, expect, it } from 'vitest'

import { LIMITS } from '../../../src/limits.ts'
import { compress } from '../../helpers/compress.ts'
import { nixUpload, put, startNixWorld } from '../../helpers/nix-upload.ts'
import type { World } from '../../helpers/world.ts'

const CODINGS = ['gzip', 'br', 'zstd', 'xz', 'bzip2'] as const

describe('a Content-Encoding', () => {
  let world: World
  beforeAll(async () => {
    world = await startNixWorld()
  })
  afterAll(() => world[Symbol.asyncDispose]())

  it.each([...CODINGS, 'identity', 'XZ'] as const)('%s of a narinfo is taken off', async (coding) => {
    const upload = await nixUpload(`described in ${coding}`)
    await put(world, `/nix/nar/${upload.fileName}`, upload.body)
    const path = `/nix/${upload.storeHash}.narinfo`
    const codec = coding === 'identity' ? 'none' : coding === 'XZ' ? 'xz' : coding
    const body = await compress(codec, Buffer.from(upload.narinfo()))
    expect(await put(world, path, body, { 'Content-Encoding': coding })).toEqual({ status: 201, text: '' })
    const answer = await world.fetch(path)
    expect(answer.headers.get('content-encoding')).toBeNull()
    expect(await answer.text()).toContain(`\nNarHash: sha256:${upload.narHash}\n`)
  })

  it.each(['gzip', 'br', 'zstd', 'xz'] as const)('%s of a narinfo that becomes too long is refused', async (coding) => {
    const upload = await nixUpload('a bomb')
    const bomb = await compress(coding, Buffer.alloc(LIMITS.narinfoBytesMax + 1, 'x'))
    expect(bomb.byteLength).toBeLessThan(LIMITS.narinfoBytesMax / 10)
    const path = `/nix/${upload.storeHash}.narinfo`
    expect(await put(world, path, bomb, { 'Content-Encoding': coding })).toMatchObject({ status: 413 })
  })

  it.each(['gzip, gzip', 'deflate', 'lz4', 'none', '', 'x'.repeat(1000)])(
    'that is not read here is refused: %j',
    async (coding) => {
      const answer = await put(world, `/nix/${'0'.repeat(32)}.ls`, '{}', { 'Content-Encoding': coding })
      expect(answer).toEqual({ status: 415, text: expect.stringContaining('ls-compression') as unknown })
    },
  )

  it('of an archive is refused with a sentence that says what to do', async () => {
    const { fileName, body } = await nixUpload('an archive')
    const answer = await put(world, `/nix/nar/${fileName}`, body, { 'Content-Encoding': 'zstd' })
    expect(answer).toEqual({ status: 415, text: expect.stringContaining('?compression=zstd') as unknown })
    expect(world.bugs).toEqual([])
  })
})
