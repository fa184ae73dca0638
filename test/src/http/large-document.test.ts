import { once } from 'node:events'
import { get, type IncomingMessage } from 'node:http'

import { describe, expect, it } from 'vitest'

import { PATH_KIND } from '../../../protocols/nix/records.ts'
import { isStored, lendDocument } from '../../../src/http/large-document.ts'
import { MAIN_CACHE, type DocumentKey, type KvStore, type StoredDocument } from '../../../src/kv-store.ts'
import { LIMITS } from '../../../src/limits.ts'
import { collect } from '../../helpers/depot.ts'
import { nixUpload, push, startNixWorld } from '../../helpers/nix-upload.ts'

const MIB = 1024 * 1024
const document = (body: string, etag = `"${body.length}"`) => ({ body, etag, encoding: '' }) as const

async function lend(one: StoredDocument) {
  const source = await lendDocument(one)
  if (source === undefined) throw new Error('there is nothing to lend')
  return source
}

describe('a large document', () => {
  it('lies in memory once for all who are sent it', async () => {
    await using one = await lend(document('x'.repeat(2 * MIB)))
    await using other = await lend(document('x'.repeat(2 * MIB)))
    const range = { start: 0, end: one.sizeBytes }
    const [first, second] = [
      [...(await Array.fromAsync(one.chunks(range)))],
      await Array.fromAsync(other.chunks(range)),
    ]
    expect(first[0]?.buffer).toBe(second[0]?.buffer)
    expect(Buffer.concat(first).toString()).toBe('x'.repeat(2 * MIB))
  })

  it('is never taken for another one of the same tag', async () => {
    await using one = await lend(document('x'.repeat(2 * MIB), '"tag"'))
    await using other = await lend(document('y'.repeat(2 * MIB), '"tag"'))
    const range = { start: 0, end: one.sizeBytes }
    expect((await collect(one.chunks(range))).subarray(0, 3).toString()).toBe('xxx')
    expect((await collect(other.chunks(range))).subarray(0, 3).toString()).toBe('yyy')
  })

  it('is refused for a while when too many others are on their way, and lent again when they have gone', async () => {
    const sizeBytes = LIMITS.largeDocumentsBytesMax / 4
    const body = (letter: string) => document(letter.repeat(sizeBytes), `"${letter}"`)
    {
      await using _one = await lend(body('a'))
      await using _two = await lend(body('b'))
      await using _three = await lend(body('c'))
      await using _four = await lend(body('d'))
      expect(() => lendDocument(body('e'))).toThrow(expect.objectContaining({ status: 503 }))
      await using again = await lend(body('a'))
      expect(again.sizeBytes).toBe(sizeBytes)
    }
    await using after = await lend(body('e'))
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

describe('a large document for many slow readers', () => {
  it('is read from the store once, and not at all for those who have it', async () => {
    await using world = await startNixWorld()
    const upload = await nixUpload('with a list that many want')
    await push(world, upload)
    const key = { cache: MAIN_CACHE.id, kind: PATH_KIND, key: upload.storeHash, variant: 'ls', origin: '' }
    const bytes = Buffer.alloc(16 * MIB, 'many want this')
    const put = { ...key, body: bytes.toString(), etag: '"many"', encoding: '', sourceVersion: 1 } as const
    await world.depot.commit(MAIN_CACHE, { documents: [put] })
    const reads = countBodies(world.depot.kv)
    const url = `${world.url}/nix/${upload.storeHash}.ls`

    const waiting = await Promise.all(Array.from({ length: 20 }, (_, index) => slowly(url, WAYS[index % WAYS.length])))
    expect(waiting.map(({ statusCode, headers }) => [statusCode, headers['content-length']])).toEqual(
      waiting.map(() => [200, String(bytes.byteLength)]),
    )
    for (const headers of WAYS) {
      const known = await fetch(url, { headers: { ...headers, 'If-None-Match': '"many"' } })
      expect([known.status, await known.text()]).toEqual([304, ''])
      const head = await fetch(url, { headers, method: 'HEAD' })
      expect([head.status, head.headers.get('content-length')]).toEqual([200, String(bytes.byteLength)])
    }
    expect(reads()).toBe(1)
    const received = await Promise.all(waiting.map((response) => collect(response)))
    expect(received.every((body) => bytes.equals(body))).toBe(true)

    expect((await collect(await slowly(url, {}))).equals(bytes)).toBe(true)
    expect(reads()).toBe(2)
    expect(world.bugs).toEqual([])
  })

  it('is the one that the store has, also when it is replaced while some are still sent the other', async () => {
    await using world = await startNixWorld()
    const upload = await nixUpload('with a list that changes')
    await push(world, upload)
    const key = { cache: MAIN_CACHE.id, kind: PATH_KIND, key: upload.storeHash, variant: 'ls', origin: '' }
    const url = `${world.url}/nix/${upload.storeHash}.ls`
    const waiting = []
    for (const letter of ['a', 'b']) {
      const put = { ...key, ...document(letter.repeat(16 * MIB), `"${letter}"`), sourceVersion: 1 }
      await world.depot.commit(MAIN_CACHE, { documents: [put] })
      for (const headers of WAYS) waiting.push({ letter, response: await slowly(url, headers) })
    }
    for (const { letter, response } of waiting)
      expect((await collect(response)).equals(Buffer.alloc(16 * MIB, letter))).toBe(true)
  })
})

/** What leads past the handler, and to it. */
const WAYS: readonly Record<string, string>[] = [{}, { 'Content-Length': '0' }]

/** An answer of which nothing but its head is read yet. */
async function slowly(url: string, headers: Record<string, string> = {}): Promise<IncomingMessage> {
  const request = get(url, { headers, agent: false })
  const [response] = (await once(request, 'response')) as [IncomingMessage]
  return response
}

/** How often the body of a large document was read since. */
function countBodies(kv: KvStore): () => number {
  let reads = 0
  const { document: read } = kv
  const counted = async (key: DocumentKey): Promise<StoredDocument | undefined> => {
    const stored = await read(key)
    if (stored === undefined || !isStored(stored.body)) return stored
    const { body } = stored
    const count = () => {
      reads++
      return body.read()
    }
    return { ...stored, body: { ...body, read: count } }
  }
  Object.assign(kv, { document: counted } satisfies Pick<KvStore, 'document'>)
  return () => reads
}
