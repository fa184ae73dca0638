import { setImmediate as nextTurn } from 'node:timers/promises'

import { expect } from 'vitest'

import { isStored } from '../../src/http/large-document.ts'
import type { Document, DocumentKey, KvStore, StoredDocument } from '../../src/kv-store.ts'
import { LIMITS } from '../../src/limits.ts'
import { record, put, remove, document, type Contract } from './kv-samples.ts'

/** Rendered answers, and when they go. */
export function documentContract(contract: Contract): void {
  contract('keeps text as text and bytes as bytes', async (kv) => {
    const text = document({ body: 'text ü\u{1f980}', variant: 'full' })
    const binary = document({ body: Uint8Array.of(0, 1, 255), variant: 'full+gzip', encoding: 'gzip' })
    await kv.commit({ cache: 1, puts: [record('k', 'a', '1')], documents: [text, binary] })
    expect(await kv.document(text)).toEqual({ body: 'text ü\u{1f980}', etag: '"e"', encoding: '' })
    const stored = await kv.document(binary)
    expect(stored).toMatchObject({ etag: '"e"', encoding: 'gzip' })
    expect(stored?.body).toHaveLength(3)
    expect(stored).toMatchObject({ body: Buffer.of(0, 1, 255) })
  })

  contract('gives large bodies only when they are asked for, and never those of another state', async (kv) => {
    const large = 'ü'.repeat(LIMITS.documentInlineBytesMax / 2)
    const inline = document({ body: large, variant: 'inline' })
    const text = document({ body: `${large}x`, variant: 'text' })
    const binary = document({ body: Buffer.from(text.body), variant: 'bytes', encoding: 'gzip' })
    await kv.commit({ cache: 1, puts: [record('k', 'a', '1')], documents: [inline, text, binary] })
    expect((await kv.document(inline))?.body === large).toBe(true)
    for (const { encoding, ...one } of [text, binary]) {
      const stored = await largeBody(kv, one)
      expect(stored).toMatchObject({ etag: '"e"', encoding, sizeBytes: LIMITS.documentInlineBytesMax + 1 })
      expect(Buffer.from((await stored.read()) ?? '').equals(Buffer.from(text.body))).toBe(true)
    }
    const [first, again, other] = [await largeBody(kv, text), await largeBody(kv, text), await largeBody(kv, binary)]
    expect([again.name === first.name, other.name === first.name]).toEqual([true, false])
    await kv.commit({ cache: 1, documents: [{ ...text, etag: '"f"' }] })
    expect(await first.read()).toBeUndefined()
    expect((await largeBody(kv, text)).name).not.toBe(first.name)
    await kv.commit(put('a', '2'))
    expect(await other.read()).toBeUndefined()
  })

  contract(
    'gives the body that stands in the row, whoever wrote it and whatever was read before',
    async (kv, world) => {
      const other = await world.another()
      const stores = [kv, other]
      await kv.commit({ cache: 1, puts: [record('k', 'a', '1')] })
      const codings = ['', 'gzip', 'zstd'] as const
      for (let round = 0; round < 12; round++) {
        const written = codings.map((encoding) => {
          const text = `${round} ü ${encoding} `.repeat(LIMITS.recentDocumentBytesMin)
          const body = encoding === '' ? text : Buffer.from(text)
          return document({ variant: `full+${encoding}`, encoding, body, etag: `"${round} ${encoding}"` })
        })
        await (stores[round % 2] ?? kv).commit({ cache: 1, documents: written })
        for (const one of [...written, ...written])
          for (const store of stores) expect(isSame(await store.document(one), one)).toBe(true)
      }
      await other.commit(put('a', '2'))
      for (const store of stores) expect(await store.document(document({ variant: 'full+' }))).toBeUndefined()
    },
  )

  contract('gives the body of the entity tag beside it while another store replaces both', async (kv, world) => {
    const other = await world.another()
    const one = (round: number) => {
      const body = `${round} `.repeat(LIMITS.recentDocumentBytesMin)
      return document({ body, etag: `"${round}"` })
    }
    await other.commit({ cache: 1, puts: [record('k', 'a', '1')], documents: [one(0)] })
    let isWritten = false
    const seen = new Set<string>()
    const written = (async () => {
      // Until one was replaced between two reads.
      for (let round = 1; round <= 40 || seen.size < 2; round++)
        await other.commit({ cache: 1, documents: [one(round)] })
      isWritten = true
    })()
    while (!isWritten) {
      const [stored] = await Promise.all([kv.document(one(0)), kv.document(one(0)), nextTurn()])
      seen.add(stored?.etag ?? '')
      expect(isSame(stored, one(Number(stored?.etag.slice(1, -1))))).toBe(true)
    }
    await written
  })

  contract('gives more bodies than it keeps, again and again', async (kv) => {
    const count = LIMITS.recentDocumentsLengthMax / LIMITS.documentInlineBytesMax + 4
    const all = Array.from({ length: count }, (_, index) =>
      document({
        variant: `${index}`,
        etag: `"${index}"`,
        body: `${index % 10}`.repeat(LIMITS.documentInlineBytesMax),
      }),
    )
    await kv.commit({ cache: 1, puts: [record('k', 'a', '1')], documents: all })
    for (const one of [...all, ...all.toReversed()]) expect(isSame(await kv.document(one), one)).toBe(true)
  })

  contract('keeps empty bodies', async (kv) => {
    const [text, binary] = [document({ body: '', variant: 't' }), document({ body: new Uint8Array(0), variant: 'b' })]
    await kv.commit({ cache: 1, puts: [record('k', 'a', '1')], documents: [text, binary] })
    expect((await kv.document(text))?.body).toBe('')
    expect((await kv.document(binary))?.body).toHaveLength(0)
  })

  contract('tells variants and origins apart, and replaces the one that is put again', async (kv) => {
    const variants = ['a', 'b'].flatMap((variant) => ['', 'https://x'].map((origin) => ({ variant, origin })))
    await kv.commit({ cache: 1, puts: [record('k', 'a', '1')] })
    for (const body of ['first', 'second']) {
      const documents = variants.map((name) => document({ ...name, body: `${body} ${name.variant} ${name.origin}` }))
      await kv.commit({ cache: 1, documents })
      for (const one of documents) expect(await kv.document(one)).toMatchObject({ body: one.body })
    }
    expect(await kv.document(document({ variant: 'c' }))).toBeUndefined()
  })

  contract('drops the documents of a record that is put or deleted, and no others', async (kv) => {
    const documents = ['a', 'b'].flatMap((key) => ['full', 'short'].map((variant) => document({ key, variant })))
    await kv.commit({ cache: 1, puts: [record('k', 'a', '1'), record('k', 'b', '1')], documents })
    const there = async () => (await Promise.all(documents.map(async (one) => kv.document(one)))).map(Boolean)
    expect(await there()).toEqual([true, true, true, true])
    await kv.commit(put('a', '2'))
    expect(await there()).toEqual([false, false, true, true])
    await kv.commit(remove('b'))
    expect(await there()).toEqual([false, false, false, false])
  })

  contract('drops in silence what was rendered from another version, or from nothing', async (kv) => {
    const stale = document({ sourceVersion: 1 })
    await kv.commit({ cache: 1, documents: [stale] })
    expect(await kv.document(stale)).toBeUndefined()
    await kv.commit(put('a', '1'))
    await kv.commit(put('a', '2'))
    await kv.commit({ cache: 1, documents: [stale] })
    expect(await kv.document(stale)).toBeUndefined()
    await kv.commit({ cache: 1, puts: [record('k', 'a', '3')], documents: [document({ sourceVersion: 3 })] })
    expect(await kv.document(stale)).toMatchObject({ body: 'body' })
  })
}

/** Without a report of megabytes when it is not. */
function isSame(stored: StoredDocument | undefined, { body, etag, encoding }: Document): boolean {
  if (stored === undefined || isStored(stored.body) || typeof stored.body !== typeof body) return false
  return stored.etag === etag && stored.encoding === encoding && Buffer.from(stored.body).equals(Buffer.from(body))
}

async function largeBody(kv: KvStore, key: DocumentKey) {
  const stored = await kv.document(key)
  if (stored === undefined || !isStored(stored.body)) throw new Error('not stored as a large one')
  const { etag, encoding, body } = stored
  return { etag, encoding, name: body.name, sizeBytes: body.sizeBytes, read: () => body.read() }
}
