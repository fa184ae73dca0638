import { afterAll, beforeAll, describe, expect, it } from 'vitest'

import { compress, CODECS } from '../../helpers/compress.ts'
import { evilArchives } from '../../helpers/evil-archives.ts'
import { sha256Nix32 } from '../../helpers/nar.ts'
import { put, startNixWorld } from '../../helpers/nix-upload.ts'
import { storedFiles } from '../../helpers/stored-files.ts'
import type { World } from '../../helpers/world.ts'

const SUFFIX = { none: '', gzip: '.gz', xz: '.xz', bzip2: '.bz2', zstd: '.zst', br: '.br' } as const
const EVIL = evilArchives()

describe('an upload of an evil archive', () => {
  let world: World
  beforeAll(async () => {
    world = await startNixWorld()
  })
  afterAll(() => world[Symbol.asyncDispose]())

  it('is one of at least fifty', () => {
    expect(EVIL.length).toBeGreaterThanOrEqual(50)
    expect(new Set(EVIL.map(([what]) => what)).size).toBe(EVIL.length)
  })

  // The encoder of bzip2 here takes some kilobytes.
  it.each(EVIL)('is refused with a sentence and leaves nothing, in any compression: %s', async (_, nar, reason) => {
    for (const codec of CODECS.filter((name) => name !== 'bzip2' || nar.byteLength < 10_000)) {
      const body = await compress(codec, nar)
      const url = `/nix/nar/${sha256Nix32(body)}.nar${SUFFIX[codec]}`
      const answer = await put(world, url, body)
      // A body that does not begin as an archive cannot be told from a codec that nobody knows.
      if (codec === 'none' && answer.status === 415) expect(answer.text).toContain('neither an archive')
      else
        expect(answer, codec).toEqual({ status: 422, text: expect.stringContaining(reasonOf(nar, reason)) as unknown })
      for (const name of [url, `/nix/nar/${sha256Nix32(nar)}.nar`, `/nix/nar/${sha256Nix32(nar)}.nar.zst`])
        expect((await world.fetch(name, { method: 'HEAD' })).status).toBe(404)
    }
    expect(await storedFiles(world.dir)).toEqual([])
    expect(await world.depot.kv.blobs(undefined, 1)).toEqual([])
    expect(world.bugs).toEqual([])
  })
})

/** Of nothing at all, the decoder may speak first. */
function reasonOf(nar: Buffer, reason: string): string {
  return nar.byteLength === 0 ? 'ends' : reason
}
