import { expect } from 'vitest'

import type { BlobRow, Reference } from '../../src/kv-store.ts'
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

  contract('keeps the store of a blob, and says it with every way to read the row', async (kv) => {
    const puts = [{ ...record('k', 'a', '1'), refs: [A, B] }]
    await kv.commit({ cache: 1, puts, blobs: [blob(A, { store: 'cold' }), blob(B)] })
    const stores = [await kv.blob('main', A), await kv.blobOf(1, 'k', A), ...(await kv.blobs(undefined, 9))]
    expect(stores.map((row) => row?.store)).toEqual(['cold', 'cold', 'cold', ''])
    expect(await kv.blobPlaces(undefined, 9)).toEqual([
      { domain: 'main', digest: A, store: 'cold', storedBytes: 5 },
      { domain: 'main', digest: B, store: '', storedBytes: 5 },
    ])
    expect(await kv.blobPlaces({ domain: 'main', digest: A }, 9)).toHaveLength(1)
    await kv.commit({ cache: 1, blobs: [blob(A, { store: 'warm' })] })
    expect(await kv.blobOf(1, 'k', A)).toMatchObject({ store: 'warm' })
  })

  contract('tells which stores rows name, and how many of them', async (kv) => {
    expect(await kv.storesNamed()).toEqual([])
    const stores = { [A]: 'warm', [B]: 'cold', [C]: 'warm', ['d'.repeat(64)]: '' }
    await kv.commit({ cache: 1, blobs: Object.entries(stores).map(([digest, store]) => blob(digest, { store })) })
    expect(await kv.storesNamed()).toEqual([
      { store: 'cold', blobs: 1 },
      { store: 'warm', blobs: 2 },
    ])
  })

  contract('moves a blob that is where it is thought to be, live and unchanged, and no other', async (kv) => {
    const row = blob(A, { store: 'cold' })
    await kv.commit({ cache: 1, blobs: [row] })
    await kv.setBlobState('main', A, 'quarantined')
    await expect(kv.moveBlob(row, 'warm')).rejects.toMatchObject({ code: 'WRITE_CONFLICT' })
    await kv.setBlobState('main', A, 'live')
    for (const other of [{ store: '' }, { storedSha256: C }, { digest: B }, { domain: 'other' }])
      await expect(kv.moveBlob({ ...row, ...other }, 'warm')).rejects.toMatchObject({ code: 'WRITE_CONFLICT' })
    await kv.moveBlob(row, 'warm')
    expect(await kv.blob('main', A)).toMatchObject({ store: 'warm', state: 'live' })
  })

  contract('leaves a row that was only found to be there as it is by then, and makes it live', async (kv) => {
    const found = blob(A, { store: 'cold' })
    await kv.commit({ cache: 1, blobs: [found] })
    await kv.moveBlob(found, 'warm')
    await kv.setBlobState('main', A, 'quarantined')
    const put = { ...record('k', 'a', '1'), refs: [A, B] }
    await kv.commit({
      cache: 1,
      puts: [put],
      blobs: [
        { ...found, held: true },
        { ...blob(B), held: true },
      ],
    })
    expect(await kv.blob('main', A)).toMatchObject({ store: 'warm', state: 'live' })
    expect(plain(await kv.blob('main', B))).toEqual(plain(blob(B)))
  })

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
