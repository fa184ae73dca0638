import { expect } from 'vitest'

import { isStored } from '../../src/http/large-document.ts'
import type { BlobRow, DocumentKey, KvStore, Reference } from '../../src/kv-store.ts'
import { LIMITS } from '../../src/limits.ts'
import { A, B, C, record, put, remove, blob, document, plain, order, pages, type Contract } from './kv-samples.ts'

/** Blob rows, and the references that keep them. */
export function blobContract(contract: Contract): void {
  contract('keeps a blob row whole, sizes beyond 4 GiB too', async (kv) => {
    const row = blob(A, { sizeBytes: 70_000_000_000, storedBytes: 5_000_000_001, frames: Uint8Array.of(0, 1, 255) })
    await kv.commit({ cache: 1, blobs: [row] })
    expect(plain(await kv.blob('main', A))).toEqual(plain(row))
    expect(await kv.blob('other', A)).toBeUndefined()
  })

  contract('replaces a row that exists and brings it back to life', async (kv) => {
    await kv.commit({ cache: 1, blobs: [blob(A)] })
    await kv.setBlobState('main', A, 'quarantined')
    expect(await kv.blob('main', A)).toMatchObject({ state: 'quarantined' })
    await kv.commit({ cache: 1, blobs: [blob(A, { storedBytes: 77 })] })
    expect(await kv.blob('main', A)).toMatchObject({ state: 'live', storedBytes: 77 })
  })

  contract(
    'drops the documents of a record when a blob of it goes, comes back or is stored in another way',
    async (kv) => {
      const change = { cache: 1, puts: [{ ...record('k', 'a', '1'), refs: [A] }], blobs: [blob(A), blob(B)] }
      await kv.commit(change)
      const rendered = async (): Promise<boolean> => (await kv.document(document({}))) !== undefined
      const render = (): Promise<void> => kv.commit({ cache: 1, documents: [document({})] })
      await render()
      await kv.commit({ cache: 1, blobs: [blob(A)] })
      await kv.setBlobState('main', B, 'quarantined')
      expect(await rendered()).toBe(true)
      await kv.setBlobState('main', A, 'quarantined')
      expect(await rendered()).toBe(false)
      await render()
      await kv.commit({ cache: 1, blobs: [blob(A)] })
      expect(await rendered()).toBe(false)
      await render()
      await kv.commit({ cache: 1, blobs: [blob(A, { storedSha256: 'f'.repeat(64) })] })
      expect(await rendered()).toBe(false)
    },
  )

  contract('finds a blob through a record of the cache, by the start of its kind', async (kv) => {
    await kv.commit({ cache: 1, puts: [{ ...record('nix-path', 'p', '1'), refs: [A] }], blobs: [blob(A), blob(B)] })
    expect(await kv.blobOf(1, 'nix-', A)).toMatchObject({ digest: A, state: 'live' })
    expect(await kv.blobOf(1, 'nix-path', A)).toMatchObject({ digest: A })
    expect(await kv.blobOf(1, '', A)).toMatchObject({ digest: A })
    expect(await kv.blobOf(1, 'npm-', A)).toBeUndefined()
    expect(await kv.blobOf(1, 'nix-path-', A)).toBeUndefined()
    expect(await kv.blobOf(1, 'nix-', B)).toBeUndefined()
    expect(await kv.blobOf(2, 'nix-', A)).toBeUndefined()
  })

  contract('tells which of many keys stand for records whose blobs are all live', async (kv) => {
    const puts = [
      { ...record('k', 'whole', '1'), refs: [A] },
      { ...record('k', 'lost', '1'), refs: [A, B] },
      record('k', 'plain', '1'),
      { ...record('other', 'elsewhere', '1'), refs: [A] },
    ]
    await kv.commit({ cache: 1, puts, blobs: [blob(A), blob(B)] })
    await kv.setBlobState('main', B, 'quarantined')
    const keys = [
      'whole',
      'lost',
      'plain',
      'elsewhere',
      'none',
      'whole',
      "'",
      '"',
      '',
      'ü\u{1f980}',
      'half \ud800',
      '\0',
    ]
    expect([...(await kv.present(1, 'k', keys))].sort()).toEqual(['plain', 'whole'])
    expect(await kv.present(2, 'k', keys)).toEqual([])
    expect(await kv.present(1, 'k', [])).toEqual([])
    await kv.setBlobState('main', B, 'live')
    expect([...(await kv.present(1, 'k', keys))].sort()).toEqual(['lost', 'plain', 'whole'])
    const many = Array.from({ length: LIMITS.lookupKeysMax + 1 }, (_, index) => `${index}`)
    await expect((async () => kv.present(1, 'k', many))()).rejects.toThrow(/look-up/)
  })

  contract('hides a blob that is not live, and one whose last record is gone', async (kv) => {
    await kv.commit({ cache: 1, puts: [{ ...record('k', 'a', '1'), refs: [A] }], blobs: [blob(A)] })
    await kv.setBlobState('main', A, 'deleting')
    expect(await kv.blobOf(1, 'k', A)).toBeUndefined()
    await kv.setBlobState('main', A, 'live')
    expect(await kv.blobOf(1, 'k', A)).toMatchObject({ digest: A })
    await kv.commit(remove('a'))
    expect(await kv.blobOf(1, 'k', A)).toBeUndefined()
    expect(await kv.references(undefined, 10)).toEqual([])
    expect(await kv.blob('main', A)).toMatchObject({ state: 'live' })
  })

  contract('refuses a reference to a blob that is not there, or not live', async (kv) => {
    await kv.commit({ cache: 1, blobs: [blob(A), blob(C, { domain: 'elsewhere' })] })
    await kv.setBlobState('main', A, 'deleting')
    for (const digest of [A, B, C]) {
      const commit = kv.commit({ cache: 1, puts: [{ ...record('k', 'a', '1'), refs: [digest] }] })
      await expect(commit).rejects.toMatchObject({ code: 'WRITE_CONFLICT' })
    }
    const elsewhere = {
      cache: 1,
      puts: [{ ...record('k', 'a', '1'), refs: [B] }],
      blobs: [blob(B, { domain: 'elsewhere' })],
    }
    await expect(kv.commit(elsewhere)).rejects.toMatchObject({ code: 'WRITE_CONFLICT' })
    expect(await kv.get(1, 'k', 'a')).toBeUndefined()
  })

  contract('replaces references when refs are given, and keeps them when not', async (kv) => {
    await kv.commit({ cache: 1, puts: [{ ...record('k', 'a', '1'), refs: [A, B, A] }], blobs: [blob(A), blob(B)] })
    expect((await kv.references(undefined, 10)).map(({ digest }) => digest)).toEqual([A, B])
    await kv.commit(put('a', '2'))
    expect(await kv.references(undefined, 10)).toHaveLength(2)
    await kv.commit({ cache: 1, puts: [{ ...record('k', 'a', '3'), refs: [B] }] })
    expect((await kv.references(undefined, 10)).map(({ digest }) => digest)).toEqual([B])
    await kv.commit({ cache: 1, puts: [{ ...record('k', 'a', '4'), refs: [] }] })
    expect(await kv.references(undefined, 10)).toEqual([])
  })

  contract('pages through blobs and references in order, each once', async (kv) => {
    const digests = Array.from({ length: 20 }, (_, index) => `${index % 10}${index}`.padEnd(64, '0'))
    const puts = digests.map((digest, index) => ({ ...record(`k${index % 3}`, `${index}`, '1'), refs: [digest, A] }))
    await kv.commit({ cache: 1, puts, blobs: [blob(A), ...digests.map((digest) => blob(digest))] })
    const rows = await pages<BlobRow>((after) => kv.blobs(after, 6))
    expect(rows.map(({ digest }) => digest)).toEqual([A, ...digests].sort())
    const references = await pages<Reference>((after) => kv.references(after, 7))
    expect(references).toHaveLength(40)
    expect(references).toEqual(references.toSorted((a, b) => (order(a) < order(b) ? -1 : 1)))
  })
}

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

async function largeBody(kv: KvStore, key: DocumentKey) {
  const stored = await kv.document(key)
  if (stored === undefined || !isStored(stored.body)) throw new Error('not stored as a large one')
  const { etag, encoding, body } = stored
  return { etag, encoding, name: body.name, sizeBytes: body.sizeBytes, read: () => body.read() }
}
