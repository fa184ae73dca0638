import { zstdCompressSync } from 'node:zlib'

import { describe, expect, it } from 'vitest'

import { LIMITS } from '../../../src/limits.ts'
import { fileNar, sha256Nix32 } from '../../helpers/nar.ts'
import { nixUpload, push, startNixWorld, startRuledWorld, type NixUpload } from '../../helpers/nix-upload.ts'
import type { World } from '../../helpers/world.ts'

async function post(world: World, path: string, body: Uint8Array | string, headers: Record<string, string> = {}) {
  const sent = typeof body === 'string' ? body : Uint8Array.from(body)
  const answer = await world.fetch(`/nix/-/${path}`, { method: 'POST', body: sent, headers })
  const text = await answer.text()
  return { status: answer.status, answer: (text === '' ? undefined : JSON.parse(text)) as unknown }
}

/** An archive behind its length. */
function framed(nar: Uint8Array): Buffer {
  const length = Buffer.alloc(8)
  length.writeBigUInt64LE(BigInt(nar.byteLength))
  return Buffer.concat([length, nar])
}

const uploads = (count: number): Promise<readonly NixUpload[]> =>
  Promise.all(Array.from({ length: count }, (_, index) => nixUpload(`content of ${index}`)))

const narinfoOf = (upload: NixUpload, more: Readonly<Record<string, string>> = {}): string =>
  upload.narinfo({
    URL: `nar/${upload.narHash}.nar`,
    Compression: 'none',
    FileHash: undefined,
    FileSize: undefined,
    ...more,
  })

describe('many archives in one request', () => {
  it.each([
    ['as they are', (body: Buffer) => body, {}],
    ['compressed together', (body: Buffer) => zstdCompressSync(body), { 'Content-Encoding': 'zstd' }],
  ] as const)('are stored, %s, each under its own hash', async (_, coded, headers) => {
    await using world = await startNixWorld()
    const many = await uploads(20)
    const body = coded(Buffer.concat(many.map(({ nar }) => framed(nar))))
    expect(await post(world, 'nars', body, headers)).toEqual({
      status: 201,
      answer: { archives: many.map(({ narHash }) => `sha256:${narHash}`) },
    })
    for (const { narHash, nar } of many) {
      const got = await world.fetch(`/nix/nar/${narHash}.nar`)
      expect(Buffer.from(await got.arrayBuffer())).toEqual(nar)
    }
    expect(world.bugs).toEqual([])
  })

  const one = framed(fileNar('one'))
  it.each([
    ['one is no archive', Buffer.concat([one, framed(Buffer.from('no archive at all'))]), 422],
    ['one is cut', Buffer.concat([one, one.subarray(0, -8)]), 422],
    ['a length is cut', Buffer.concat([one, Buffer.from([1, 0, 0])]), 422],
    ['something follows inside a length', Buffer.concat([one, framed(Buffer.concat([fileNar('two'), one]))]), 422],
    ['a length is that of no disk', Buffer.concat([one, Buffer.alloc(8, 0xff)]), 413],
  ])('are none of them here when %s', async (_, body, status) => {
    await using world = await startNixWorld()
    expect((await post(world, 'nars', body)).status).toBe(status)
    expect((await world.fetch(`/nix/nar/${sha256Nix32(fileNar('one'))}.nar`)).status).toBe(404)
    expect(await world.depot.kv.blobs(undefined, 10)).toEqual([])
    expect(world.bugs).toEqual([])
  })

  it('are stored once when they are the same, and refused when there are more than a thousand', async () => {
    await using world = await startNixWorld()
    expect((await post(world, 'nars', Buffer.concat([one, one]))).status).toBe(201)
    expect((await post(world, 'nars', '')).answer).toEqual({ archives: [] })
    const many = Buffer.concat(Array.from({ length: LIMITS.manyNarsMax + 1 }, () => one))
    expect((await post(world, 'nars', many)).status).toBe(413)
    expect(await world.depot.kv.blobs(undefined, 10)).toHaveLength(1)
    expect(world.bugs).toEqual([])
  })
})

describe('many narinfos in one request', () => {
  it('are each taken or refused as if they came alone, and a reference may be in the same request', async () => {
    await using world = await startNixWorld()
    const [known, base, top, broken, lonely] = await uploads(5)
    if (!known || !base || !top || !broken || !lonely) throw new Error('too few')
    await push(world, known)
    await post(world, 'nars', Buffer.concat([base, top, lonely].map(({ nar }) => framed(nar))))
    const body = [
      narinfoOf(known),
      narinfoOf(base),
      narinfoOf(top, { References: `${base.storeHash}-demo ${top.storeHash}-demo` }),
      'no narinfo',
      narinfoOf(broken),
      narinfoOf(lonely, { References: `${broken.storeHash}-demo` }),
      narinfoOf(base, { NarHash: `sha256:${top.narHash}`, URL: `nar/${top.narHash}.nar` }),
    ]
    expect(
      await post(world, 'narinfos', zstdCompressSync(JSON.stringify(body)), { 'Content-Encoding': 'zstd' }),
    ).toEqual({
      status: 200,
      answer: {
        paths: [
          { result: 'unchanged' },
          { result: 'created' },
          { result: 'created' },
          { result: 'refused', code: 'BAD_REQUEST', error: expect.stringContaining('last line') as unknown },
          { result: 'refused', code: 'CONTENT_MISMATCH', error: expect.stringContaining('upload it first') as unknown },
          { result: 'refused', code: 'CONTENT_MISMATCH', error: expect.stringContaining(broken.storeHash) as unknown },
          { result: 'refused', code: 'CONFLICT', error: expect.stringContaining('not reproducible') as unknown },
        ],
      },
    })
    expect((await world.fetch(`/nix/${top.storeHash}.narinfo`)).status).toBe(200)
    expect((await world.fetch(`/nix/${lonely.storeHash}.narinfo`)).status).toBe(404)
    expect(world.bugs).toEqual([])
  })

  it('may be a chain of a thousand, taken at once by several who push the same', async () => {
    await using world = await startRuledWorld({})
    const upload = await nixUpload('of all')
    await post(world, 'nars', framed(upload.nar))
    const hash = (index: number): string => sha256Nix32(Buffer.from(`path ${index}`)).slice(0, 32)
    const chain = Array.from({ length: LIMITS.manyNarinfosMax }, (_, index) =>
      narinfoOf(upload, {
        StorePath: `/nix/store/${hash(index)}-demo`,
        References: index === 0 ? '' : `${hash(index - 1)}-demo`,
      }),
    )
    const told = await Promise.all([1, 2, 3].map(() => post(world, 'narinfos', JSON.stringify(chain))))
    const results = told.map(({ answer }) =>
      (answer as { paths: { result: string }[] }).paths.map(({ result }) => result),
    )
    for (let index = 0; index < chain.length; index++) {
      const of = results.map((list) => list[index])
      expect(of.toSorted((a, b) => String(a).localeCompare(String(b)))).toEqual(['created', 'unchanged', 'unchanged'])
    }
    expect((await post(world, 'narinfos', JSON.stringify([...chain, '']))).status).toBe(400)
    expect(world.bugs).toEqual([])
  }, 60_000)

  it.each(['{}', '[1]', '"x"', 'nothing'])('are refused together when the list is %s', async (body) => {
    await using world = await startNixWorld()
    expect((await post(world, 'narinfos', body)).status).toBe(400)
    expect(world.bugs).toEqual([])
  })
})
