import { describe, expect, it } from 'vitest'

import type { BlobRow, Commit, DocumentPut, KvRecord, KvStore, Reference } from '../../src/kv-store.ts'
import { LIMITS } from '../../src/limits.ts'

/** A store over an empty database that a test owns, and what only its driver knows. */
export interface KvStoreWorld extends AsyncDisposable {
  readonly kv: KvStore
  /** Close the store and open it again. */
  reopen(): Promise<KvStore>
  /** What the audit table holds, in order, as `action resource`. */
  audited(): Promise<readonly string[]>
}

/** The contract every driver keeps. A driver's own test file calls this first. */
export function describeKvStore(driver: string, open: () => Promise<KvStoreWorld>): void {
  const contract: Contract = (name, body) =>
    it(name, async () => {
      await using world = await open()
      await body(world.kv, world)
    })

  describe(`${driver} kv store`, () => {
    describe('records', () => {
      recordContract(contract)
    })
    describe('keys', () => {
      keyContract(contract)
    })
    describe('lists', () => {
      listContract(contract)
    })
    describe('blobs and references', () => {
      blobContract(contract)
    })
    describe('documents', () => {
      documentContract(contract)
    })
    describe('commits', () => {
      commitContract(contract)
    })
    describe('many at once', () => {
      concurrencyContract(contract)
    })
  })
}

type Contract = (name: string, body: (kv: KvStore, world: KvStoreWorld) => Promise<void>) => void

function recordContract(contract: Contract): void {
  contract('has the cache main with id 1, and no other', async (kv) => {
    expect(await kv.cache('main')).toEqual({ id: 1, name: 'main', domain: 'main' })
    expect(await kv.cache('Main')).toBeUndefined()
  })

  contract('counts versions up from 1, whatever was there when nothing is expected', async (kv) => {
    expect(await kv.get(1, 'k', 'a')).toBeUndefined()
    await kv.commit(put('a', '"one"'))
    expect(await kv.get(1, 'k', 'a')).toEqual({ key: 'a', value: '"one"', version: 1 })
    await kv.commit(put('a', '"two"'))
    expect(await kv.get(1, 'k', 'a')).toEqual({ key: 'a', value: '"two"', version: 2 })
  })

  contract('takes expected 0 for "must not exist"', async (kv) => {
    await kv.commit(put('a', '1', 0))
    await expect(kv.commit(put('a', '2', 0))).rejects.toMatchObject({ code: 'WRITE_CONFLICT' })
    expect(await kv.get(1, 'k', 'a')).toMatchObject({ value: '1', version: 1 })
  })

  contract('replaces exactly the expected version', async (kv) => {
    await expect(kv.commit(put('a', '1', 1))).rejects.toMatchObject({ code: 'WRITE_CONFLICT' })
    await kv.commit(put('a', '1'))
    await kv.commit(put('a', '2', 1))
    await expect(kv.commit(put('a', '3', 1))).rejects.toMatchObject({ code: 'WRITE_CONFLICT' })
    expect(await kv.get(1, 'k', 'a')).toMatchObject({ value: '2', version: 2 })
  })

  contract('deletes exactly the expected version, and begins at 1 again', async (kv) => {
    await kv.commit(put('a', '1'))
    await expect(kv.commit(remove('a', 2))).rejects.toMatchObject({ code: 'WRITE_CONFLICT' })
    await kv.commit(remove('a', 1))
    expect(await kv.get(1, 'k', 'a')).toBeUndefined()
    await expect(kv.commit(remove('a', 1))).rejects.toMatchObject({ code: 'WRITE_CONFLICT' })
    await kv.commit(remove('a'))
    await kv.commit(put('a', '2', 0))
    expect(await kv.get(1, 'k', 'a')).toMatchObject({ version: 1 })
  })

  contract('keeps kinds apart', async (kv) => {
    await kv.commit({ cache: 1, puts: [record('k1', 'a', '1'), record('k2', 'a', '2')] })
    await kv.commit({ cache: 1, deletes: [{ kind: 'k1', key: 'a' }] })
    expect(await kv.get(1, 'k2', 'a')).toMatchObject({ value: '2' })
  })

  contract('keeps values as they are, large ones too', async (kv) => {
    const values = [JSON.stringify({ a: 'ü\u{1f980}\u0000\ud800' }), '"' + 'x'.repeat(3_000_000) + '"', '']
    await kv.commit({ cache: 1, puts: values.map((value, index) => record('k', `${index}`, value)) })
    const stored = await kv.list(1, 'k', { from: '', limit: 10 })
    expect(stored.map(({ value }) => value)).toEqual(values)
  })

  contract('still holds everything when it is opened again', async (kv, world) => {
    await kv.commit(put('a', '1'))
    const again = await world.reopen()
    expect(await again.get(1, 'k', 'a')).toMatchObject({ value: '1' })
    await again.commit(put('a', '2', 1))
    expect(await again.get(1, 'k', 'a')).toMatchObject({ value: '2' })
  })

  contract('refuses a cache that does not exist', async (kv) => {
    await expect(kv.commit({ cache: 99, puts: [record('k', 'a', '1')] })).rejects.toThrow(/foreign key/i)
    expect(await kv.get(99, 'k', 'a')).toBeUndefined()
  })

  contract('answers its ping', async (kv) => {
    await kv.ping()
  })
}

function keyContract(contract: Contract): void {
  contract('tells case, accents and wildcards apart', async (kv) => {
    const keys = ['a', 'A', 'ä', 'a\u0308', 'a%', 'a_', '_', '%', "a'b", 'a"b', 'a\\b', ' a', 'a ', '__proto__', '']
    await kv.commit({ cache: 1, puts: keys.map((key) => record('k', key, JSON.stringify(key))) })
    for (const key of keys) expect(await kv.get(1, 'k', key)).toMatchObject({ key, value: JSON.stringify(key) })
    expect(await kv.list(1, 'k', { from: '', limit: 100 })).toHaveLength(keys.length)
  })

  contract('lists keys in the order of their bytes, not of a language', async (kv) => {
    const keys = ['B', 'a', 'Z', 'b', '-', 'a-b', 'a.b', 'ab', 'é', 'e', '\uffff', '\u{10000}', '0', '9', '10']
    await kv.commit({ cache: 1, puts: keys.map((key) => record('k', key, '1')) })
    const byBytes = keys.toSorted((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)))
    expect(keysOf(await kv.list(1, 'k', { from: '', limit: 100 }))).toEqual(byBytes)
  })

  contract('takes a key of 1 KiB, with a variant and an origin, and refuses a longer one', async (kv) => {
    // No two bytes alike for long: a database must not be saved by its compression.
    const key = Array.from({ length: LIMITS.keyBytesMax }, (_, index) =>
      String.fromCharCode(33 + ((index * index) % 94)),
    ).join('')
    const origin = `https://${'x1y2z3'.repeat(30)}.example.org`
    await kv.commit({ cache: 1, puts: [record('k', key, '1')], documents: [document({ key, origin })] })
    expect(await kv.get(1, 'k', key)).toMatchObject({ version: 1 })
    await expect(kv.commit(put(`${key}x`, '1'))).rejects.toMatchObject({ code: 'INVALID_NAME' })
    await expect(kv.commit(put('ü'.repeat(513), '1'))).rejects.toMatchObject({ code: 'INVALID_NAME' })
  })

  contract('refuses what one of the databases cannot hold, and does not find it', async (kv) => {
    for (const key of ['a\0b', 'half \ud800 a character']) {
      await expect(kv.commit(put(key, '1'))).rejects.toMatchObject({ code: 'INVALID_NAME' })
      await expect(kv.commit(remove(key))).rejects.toMatchObject({ code: 'INVALID_NAME' })
      expect(await kv.get(1, 'k', key)).toBeUndefined()
      expect(await kv.document(document({ key }))).toBeUndefined()
    }
    await expect(kv.commit(put('a', '"\0"'))).rejects.toMatchObject({ code: 'BAD_REQUEST' })
  })
}

function listContract(contract: Contract): void {
  const keys = Array.from({ length: 25 }, (_, index) => `key-${String(index).padStart(3, '0')}`)
  const fill: Commit = { cache: 1, puts: keys.map((key) => record('k', key, '1')) }

  contract('lists from a key, inclusive, to a key, exclusive', async (kv) => {
    await kv.commit({ ...fill, puts: [...(fill.puts ?? []), record('other', 'key-003', '1')] })
    expect(keysOf(await kv.list(1, 'k', { from: 'key-003', to: 'key-006', limit: 100 }))).toEqual(keys.slice(3, 6))
    expect(keysOf(await kv.list(1, 'k', { from: 'key-020', limit: 100 }))).toEqual(keys.slice(20))
    expect(await kv.list(1, 'k', { from: 'l', limit: 100 })).toEqual([])
    expect(await kv.list(2, 'k', { from: '', limit: 100 })).toEqual([])
  })

  contract('pages through everything once, within its bounds', async (kv) => {
    await kv.commit(fill)
    const seen: string[] = []
    for (let page = await kv.list(1, 'k', { from: 'key-001', to: 'key-024', limit: 7 }); page.length > 0;) {
      seen.push(...keysOf(page))
      page = await kv.list(1, 'k', { from: 'key-001', to: 'key-024', after: seen.at(-1) ?? '', limit: 7 })
    }
    expect(seen).toEqual(keys.slice(1, 24))
  })

  contract('does not list below `from` because `after` lies there', async (kv) => {
    await kv.commit(fill)
    expect(keysOf(await kv.list(1, 'k', { from: 'key-010', after: 'a', limit: 1 }))).toEqual(['key-010'])
  })

  contract('refuses a page without a bound', async (kv) => {
    for (const limit of [0, -1, 1.5, Number.NaN, LIMITS.listPageMax + 1]) {
      await expect((async () => kv.list(1, 'k', { from: '', limit }))()).rejects.toThrow('page')
    }
  })
}

function blobContract(contract: Contract): void {
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

function documentContract(contract: Contract): void {
  contract('keeps text as text and bytes as bytes', async (kv) => {
    const text = document({ body: 'text ü\u{1f980}', variant: 'full' })
    const binary = document({ body: Uint8Array.of(0, 1, 255), variant: 'full+gzip', encoding: 'gzip' })
    await kv.commit({ cache: 1, puts: [record('k', 'a', '1')], documents: [text, binary] })
    expect(await kv.document(text)).toEqual({ body: 'text ü\u{1f980}', etag: '"e"', encoding: '' })
    const stored = await kv.document(binary)
    expect(stored).toMatchObject({ etag: '"e"', encoding: 'gzip' })
    expect([...Buffer.from(stored?.body ?? '')]).toEqual([0, 1, 255])
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

function commitContract(contract: Contract): void {
  contract('does nothing of a change of which one part conflicts', async (kv, world) => {
    await kv.commit(put('taken', '1'))
    const change: Commit = {
      cache: 1,
      blobs: [blob(A)],
      puts: [
        { ...record('k', 'a', '1'), refs: [A] },
        { ...record('k', 'taken', '2'), expected: 0 },
      ],
      documents: [document({})],
      audit: [{ principal: 'p', action: 'npm:write', resource: 'a', digest: A, address: '' }],
    }
    await expect(kv.commit(change)).rejects.toMatchObject({ code: 'WRITE_CONFLICT' })
    expect(await kv.get(1, 'k', 'a')).toBeUndefined()
    expect(await kv.get(1, 'k', 'taken')).toMatchObject({ value: '1', version: 1 })
    expect(await kv.blob('main', A)).toBeUndefined()
    expect(await kv.document(document({}))).toBeUndefined()
    expect(await world.audited()).toEqual([])
  })

  contract('writes audit entries in order', async (kv, world) => {
    const entry = (resource: string) => ({ principal: 'p', action: 'npm:write', resource, digest: '', address: '::1' })
    await kv.commit({ cache: 1, audit: [entry('one'), entry('two')] })
    await kv.commit({ cache: 1, audit: [entry('three')] })
    expect(await world.audited()).toEqual(['npm:write one', 'npm:write two', 'npm:write three'])
  })

  contract('refuses a change that names a record twice', async (kv) => {
    const puts = [record('k', 'a', '1'), record('k', 'a', '2')]
    await expect(kv.commit({ cache: 1, puts })).rejects.toMatchObject({ code: 'BAD_REQUEST' })
    const both = { cache: 1, puts: [record('k', 'a', '1')], deletes: [{ kind: 'k', key: 'a' }] }
    await expect(kv.commit(both)).rejects.toMatchObject({ code: 'BAD_REQUEST' })
  })

  contract('takes an empty change', async (kv) => {
    await kv.commit({ cache: 1 })
  })

  contract('is over only when everything that was begun is done', async (kv, world) => {
    const begun = Array.from({ length: 50 }, (_, index) => kv.commit(put(`${index}`, '1')))
    const again = await world.reopen()
    await Promise.all(begun)
    expect(await again.list(1, 'k', { from: '', limit: 100 })).toHaveLength(50)
  })
}

function concurrencyContract(contract: Contract): void {
  contract('lets exactly one of many create a record', async (kv) => {
    const tries = Array.from({ length: 40 }, (_, index) => kv.commit(put('a', `${index}`, 0)))
    const results = await Promise.allSettled(tries)
    expect(results.filter(({ status }) => status === 'fulfilled')).toHaveLength(1)
    for (const result of results) {
      if (result.status === 'rejected') expect(result.reason).toMatchObject({ code: 'WRITE_CONFLICT' })
    }
    const winner = results.findIndex(({ status }) => status === 'fulfilled')
    expect(await kv.get(1, 'k', 'a')).toMatchObject({ value: `${winner}`, version: 1 })
  })

  contract('loses no change of many who read, change and expect', async (kv) => {
    await kv.commit(put('counter', '0'))
    const increment = async (): Promise<void> => {
      for (;;) {
        const { value = '', version = 0 } = (await kv.get(1, 'k', 'counter')) ?? {}
        const done = await kv.commit(put('counter', `${Number(value) + 1}`, version)).then(
          () => true,
          (error: { code?: string }) => (error.code === 'WRITE_CONFLICT' ? false : Promise.reject(error)),
        )
        if (done) return
      }
    }
    await Promise.all(Array.from({ length: 20 }, increment))
    expect(await kv.get(1, 'k', 'counter')).toEqual({ key: 'counter', value: '20', version: 21 })
  })

  contract('does not let a conflict touch its neighbours', async (kv) => {
    await kv.commit(put('taken', '1'))
    const commits = Array.from({ length: 400 }, (_, index) =>
      index % 4 === 3
        ? kv.commit({
            cache: 1,
            puts: [record('k', `lost-${index}`, '1'), { ...record('k', 'taken', '2'), expected: 0 }],
          })
        : kv.commit(put(`n-${index}`, '1', 0)),
    )
    const results = await Promise.allSettled(commits)
    expect(results.filter(({ status }) => status === 'rejected')).toHaveLength(100)
    expect(await kv.list(1, 'k', { from: 'n-', to: 'n.', limit: 1000 })).toHaveLength(300)
    expect(await kv.list(1, 'k', { from: 'lost-', to: 'lost.', limit: 1000 })).toEqual([])
  })

  contract('ends no circle of waiting in a failure: the same names in every order', async (kv) => {
    const names = ['a', 'b', 'c', 'd', 'e']
    const digests = names.map((name) => name.repeat(64))
    await kv.commit({ cache: 1, blobs: digests.map((digest) => blob(digest)) })
    const commits = Array.from({ length: 60 }, (_, round) => {
      const turned = names.map((_name, index) => (index * (1 + (round % 4)) + round) % names.length)
      const puts = turned.map((at) => ({
        ...record('k', names[at] ?? '', `${round}`),
        refs: [digests[(at + round) % 5] ?? ''],
      }))
      const blobs = round % 3 === 0 ? [blob(digests[round % 5] ?? ''), blob(digests[(round + 2) % 5] ?? '')] : []
      return kv.commit({ cache: 1, puts, blobs })
    })
    await Promise.all(commits)
    for (const name of names) expect(await kv.get(1, 'k', name)).toMatchObject({ version: 60 })
  })

  contract('never leaves a document behind that is older than its record', async (kv) => {
    await kv.commit(put('a', '0'))
    for (let version = 1; version <= 40; version++) {
      const stale = document({ sourceVersion: version, body: `rendered from ${version}` })
      const change = [() => kv.commit({ cache: 1, documents: [stale] }), () => kv.commit(put('a', `${version}`))]
      await Promise.all((version % 2 === 0 ? change : change.toReversed()).map((begin) => begin()))
      expect(await kv.document(stale)).toBeUndefined()
    }
  })

  contract('shows a commit to every read that starts after it', async (kv) => {
    const worker = async (name: string): Promise<void> => {
      for (let version = 1; version <= 15; version++) {
        await kv.commit(put(name, `${version}`))
        expect(await kv.get(1, 'k', name)).toMatchObject({ version })
      }
    }
    await Promise.all(Array.from({ length: 12 }, (_, index) => worker(`w${index}`)))
  })
}

const A = 'a'.repeat(64)
const B = 'b'.repeat(64)
const C = 'c'.repeat(64)

function record(kind: string, key: string, value: string) {
  return { kind, key, value }
}

function put(key: string, value: string, expected?: number): Commit {
  return { cache: 1, puts: [{ ...record('k', key, value), ...(expected === undefined ? {} : { expected }) }] }
}

function remove(key: string, expected?: number): Commit {
  return { cache: 1, deletes: [{ kind: 'k', key, ...(expected === undefined ? {} : { expected }) }] }
}

function blob(digest: string, some: Partial<BlobRow> = {}): BlobRow {
  const stored = {
    encoding: 'zstd',
    storedBytes: 5,
    storedSha256: B,
    layout: 'frames',
    frames: Uint8Array.of(5, 0, 0, 0),
  } as const
  return { domain: 'main', digest, sizeBytes: 9, ...stored, state: 'live', ...some }
}

function document(some: Partial<DocumentPut>): DocumentPut {
  const name = { cache: 1, kind: 'k', key: 'a', variant: 'full', origin: '' }
  return { ...name, body: 'body', etag: '"e"', encoding: '', sourceVersion: 1, ...some }
}

/** Bytes as numbers: a driver may return a Buffer. */
function plain(row: BlobRow | undefined): unknown {
  return row && { ...row, frames: [...row.frames] }
}

function keysOf(records: readonly KvRecord[]): string[] {
  return records.map(({ key }) => key)
}

function order({ cache, kind, key, domain, digest }: Reference): string {
  return [cache, kind, key, domain, digest].join('\0')
}

async function pages<T>(page: (after: T | undefined) => Promise<readonly T[]> | readonly T[]): Promise<T[]> {
  const seen: T[] = []
  for (let rows = await page(undefined); rows.length > 0; rows = await page(seen.at(-1))) seen.push(...rows)
  return seen
}
