import { describe, expect, it } from 'vitest'

import { PATH_KIND } from '../../../protocols/nix/records.ts'
import { lendDocument } from '../../../src/http/large-document.ts'
import { MAIN_CACHE } from '../../../src/kv-store.ts'
import { LIMITS } from '../../../src/limits.ts'
import { collect } from '../../helpers/depot.ts'
import { nixUpload, push, startNixWorld } from '../../helpers/nix-upload.ts'

const MIB = 1024 * 1024
const document = (body: string, etag = `"${body.length}"`) => ({ body, etag, encoding: '' }) as const

describe('a large document', () => {
  it('lies in memory once for all who are sent it', async () => {
    await using one = lendDocument(document('x'.repeat(2 * MIB)))
    await using other = lendDocument(document('x'.repeat(2 * MIB)))
    const range = { start: 0, end: one.sizeBytes }
    const [first, second] = [
      [...(await Array.fromAsync(one.chunks(range)))],
      await Array.fromAsync(other.chunks(range)),
    ]
    expect(first[0]?.buffer).toBe(second[0]?.buffer)
    expect(Buffer.concat(first).toString()).toBe('x'.repeat(2 * MIB))
  })

  it('is never taken for another one of the same tag', async () => {
    await using one = lendDocument(document('x'.repeat(2 * MIB), '"tag"'))
    await using other = lendDocument(document('y'.repeat(2 * MIB), '"tag"'))
    const range = { start: 0, end: one.sizeBytes }
    expect((await collect(one.chunks(range))).subarray(0, 3).toString()).toBe('xxx')
    expect((await collect(other.chunks(range))).subarray(0, 3).toString()).toBe('yyy')
  })

  it('is refused for a while when too many others are on their way, and lent again when they have gone', async () => {
    const sizeBytes = LIMITS.largeDocumentsBytesMax / 4
    const body = (letter: string) => document(letter.repeat(sizeBytes), `"${letter}"`)
    {
      await using _one = lendDocument(body('a'))
      await using _two = lendDocument(body('b'))
      await using _three = lendDocument(body('c'))
      await using _four = lendDocument(body('d'))
      expect(() => lendDocument(body('e'))).toThrow(expect.objectContaining({ status: 503 }))
      await using again = lendDocument(body('a'))
      expect(again.sizeBytes).toBe(sizeBytes)
    }
    await using after = lendDocument(body('e'))
    expect(after.sizeBytes).toBe(sizeBytes)
  })
})

describe('a large document that is stored', () => {
  it('is answered as any other', async () => {
    await using world = await startNixWorld()
    const upload = await nixUpload('with a long list')
    await push(world, upload)
    const key = { cache: MAIN_CACHE.id, kind: PATH_KIND, key: upload.storeHash, variant: 'ls', origin: '' }
    const body = `{"root":{"a":"${'ö'.repeat(8 * MIB)}"}}`
    await world.depot.commit(MAIN_CACHE, { documents: [{ ...key, ...document(body, '"large"'), sourceVersion: 1 }] })

    const path = `/nix/${upload.storeHash}.ls`
    const whole = await world.fetch(path)
    expect(whole.headers.get('content-length')).toBe(String(Buffer.byteLength(body)))
    expect(whole.headers.get('etag')).toBe('"large"')
    expect((await whole.text()) === body).toBe(true)
    const head = await world.fetch(path, { method: 'HEAD' })
    expect([head.status, head.headers.get('content-length')]).toEqual([200, String(Buffer.byteLength(body))])
    expect((await world.fetch(path, { headers: { 'If-None-Match': '"large"' } })).status).toBe(304)
    expect(world.bugs).toEqual([])
  })
})
