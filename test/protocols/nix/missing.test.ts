import { gzipSync } from 'node:zlib'

import { describe, expect, it } from 'vitest'

import { LIMITS } from '../../../src/limits.ts'
import { nix32, sha256Hex } from '../../helpers/nar.ts'
import { nixUpload, push, put, startNixWorld } from '../../helpers/nix-upload.ts'
import type { World } from '../../helpers/world.ts'

async function ask(world: World, body: string | Uint8Array, headers: Record<string, string> = {}, mount = '/nix') {
  const sent = typeof body === 'string' ? body : Uint8Array.from(body)
  const answer = await world.fetch(`${mount}/-/missing`, { method: 'POST', body: sent, headers })
  return { status: answer.status, text: await answer.text() }
}

const hashes = (count: number): string[] =>
  Array.from({ length: count }, (_, index) => nix32(Buffer.from(index.toString(16).padStart(40, '0'), 'hex')))

describe('the question which paths are missing', () => {
  it.each(['', '/nix'])('is answered in the order it is asked, each once, at "%s"', async (mount) => {
    await using world = await startNixWorld()
    const [here, lost] = [await nixUpload('here'), await nixUpload('lost')]
    for (const upload of [here, lost]) await push(world, upload)
    await world.depot.kv.setBlobState('main', sha256Hex(lost.nar), 'quarantined')
    const [one = '', two = ''] = hashes(2)
    const asked = JSON.stringify([two, here.storeHash, lost.storeHash, one, two])
    const told = { status: 200, text: JSON.stringify({ missing: [two, lost.storeHash, one] }) }
    expect(await ask(world, asked, {}, mount)).toEqual(told)
    expect(await ask(world, gzipSync(asked), { 'Content-Encoding': 'gzip' }, mount)).toEqual(told)
    expect(await ask(world, '[]', {}, mount)).toEqual({ status: 200, text: '{"missing":[]}' })
    expect(world.bugs).toEqual([])
  })

  it('may be about ten thousand paths, and not about one more', async () => {
    await using world = await startNixWorld()
    const upload = await nixUpload('among many')
    await push(world, upload)
    const many = [...hashes(LIMITS.missingPathsMax - 1), upload.storeHash]
    const { status, text } = await ask(world, JSON.stringify(many))
    expect(status).toBe(200)
    expect(JSON.parse(text)).toEqual({ missing: many.slice(0, -1) })
    expect((await ask(world, JSON.stringify(hashes(LIMITS.missingPathsMax + 1)))).status).toBe(400)
    expect((await ask(world, JSON.stringify('x'.repeat(LIMITS.missingBodyBytesMax)))).status).toBe(413)
  })

  it('tells of an archive too: whether the path has another one here, and whether that of a missing path is here', async () => {
    await using world = await startNixWorld()
    const [here, sent, unsent] = [await nixUpload('here'), await nixUpload('sent'), await nixUpload('unsent')]
    await push(world, here)
    await put(world, `/nix/nar/${sent.fileName}`, sent.body)
    const [one = '', two = ''] = hashes(2)
    const asked = [
      `${here.storeHash}-${here.narHash}`,
      `${here.storeHash}-${unsent.narHash}`,
      here.storeHash,
      `${one}-${sent.narHash}`,
      `${two}-${unsent.narHash}`,
      `${one}-${sent.narHash}`,
    ]
    expect(await ask(world, JSON.stringify(asked))).toEqual({
      status: 200,
      text: JSON.stringify({ missing: [asked[3], asked[4]], other: [asked[1]], archives: [asked[3]] }),
    })
    expect(world.bugs).toEqual([])
  })

  it.each([
    '',
    '{}',
    'null',
    '["x"]',
    '[1]',
    `["${'e'.repeat(32)}"]`,
    `["${'0'.repeat(33)}"]`,
    `["${'0'.repeat(32)}-${'z'.repeat(52)}"]`,
    '[["0"]]',
  ])('is refused when it is %s', async (body) => {
    await using world = await startNixWorld()
    expect((await ask(world, body)).status).toBe(400)
    expect(world.bugs).toEqual([])
  })
})
