import { expect } from 'vitest'

import { SYSTEM_CACHE, type Commit } from '../../src/kv-store.ts'
import { LIMITS } from '../../src/limits.ts'
import { record, put, remove, document, keysOf, type Contract } from './kv-samples.ts'

/** Versions and expectations. */
export function recordContract(contract: Contract): void {
  contract('has the cache main with id 1, and no other', async (kv) => {
    expect(await kv.cache('main')).toEqual({ id: 1, name: 'main', domain: 'main' })
    expect(await kv.cache('Main')).toBeUndefined()
    expect(await kv.cache(SYSTEM_CACHE.name)).toBeUndefined()
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

  contract('keeps what belongs to the server apart from every tenant', async (kv) => {
    const mine = { kind: 'k', key: 'a' }
    await kv.commit({ cache: SYSTEM_CACHE.id, puts: [{ ...mine, value: '1', expected: 0 }] })
    expect(await kv.get(SYSTEM_CACHE.id, 'k', 'a')).toMatchObject({ version: 1 })
    expect(await kv.get(1, 'k', 'a')).toBeUndefined()
    expect(await kv.list(1, 'k', { from: '', limit: 10 })).toEqual([])
    expect(await kv.references(undefined, 10)).toEqual([])
    await kv.commit({ cache: SYSTEM_CACHE.id, deletes: [{ ...mine, expected: 1 }] })
  })

  contract('answers its ping', async (kv) => {
    await kv.ping()
  })
}

/** What is a key, and in which order keys come. */
export function keyContract(contract: Contract): void {
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

/** Key ranges and pages. */
export function listContract(contract: Contract): void {
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
