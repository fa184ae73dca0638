import { expect, it, describe } from 'vitest'

import type { BlobLocation, BlobStore } from '../../src/blobs/blob-store.ts'
import { blobLocation } from '../../src/blobs/blob-location.ts'
import { LIMITS } from '../../src/limits.ts'

/** A store that a test owns, and what only its driver knows. */
export interface BlobStoreWorld extends AsyncDisposable {
  readonly store: BlobStore
  /** Names of what lies in storage and is no published blob: staged files above all. */
  leftovers(): Promise<readonly string[]>
}

/** The contract every driver keeps. A driver's own test file calls this first. Each test also fails on left-over files. */
export function describeBlobStore(driver: string, open: () => Promise<BlobStoreWorld>): void {
  const contract = (name: string, body: (store: BlobStore) => Promise<void>) =>
    it(name, async () => {
      await using world = await open()
      await body(world.store)
      expect(await world.leftovers()).toEqual([])
    })

  describe(`${driver} blob store`, () => {
    describe('staging', () => {
      stagingContract(contract)
    })
    describe('reading', () => {
      readingContract(contract)
    })
    describe('listing', () => {
      listingContract(contract)
    })
  })
}

type Contract = (name: string, body: (store: BlobStore) => Promise<void>) => void

function stagingContract(contract: Contract): void {
  contract('says that it may be written to, before and after, and leaves nothing for it', async (store) => {
    await store.ping?.()
    await using staged = await store.stage()
    await staged.publish(A)
    await store.ping?.()
    expect(await all(store.list(''))).toEqual([A])
  })

  contract('leaves no trace of a stage that was never published', async (store) => {
    {
      await using staged = await store.stage()
      await staged.write(bytes('half a blob'))
    }
    expect(await all(store.list(''))).toEqual([])
  })

  contract('shows nothing before it is published and everything after', async (store) => {
    await using staged = await store.stage()
    await staged.write(bytes('hello '))
    await staged.write(bytes('world'))
    expect(await store.stat(A)).toBeUndefined()
    await staged.publish(A)
    expect(text(await content(store, A))).toBe('hello world')
  })

  contract('keeps what was written although the caller reuses its buffer', async (store) => {
    await using staged = await store.stage()
    const buffer = bytes('first')
    await staged.write(buffer)
    buffer.set(bytes('other'))
    await staged.write(buffer)
    await staged.publish(A)
    expect(text(await content(store, A))).toBe('firstother')
  })

  contract('puts pieces of every size in order, across its own buffers and syncs', async (store) => {
    const sizes = [1, LIMITS.writeBufferBytes - 1, LIMITS.writeBufferBytes, 3, LIMITS.writeBufferBytes * 5 + 7, 0, 2]
    const pieces = [...sizes, LIMITS.syncEveryBytes + 5, 9].map(numbered)
    await using staged = await store.stage()
    for (const piece of pieces) await staged.write(piece)
    await staged.publish(A)
    expect(Buffer.compare(await content(store, A), Buffer.concat(pieces))).toBe(0)
  })

  contract('reads back what is staged, before and after more is written', async (store) => {
    await using staged = await store.stage()
    await staged.write(bytes('0123456789'))
    expect(text(await staged.read({ start: 2, end: 5 }))).toBe('234')
    await staged.write(bytes('abc'))
    expect(text(await staged.read({ start: 8, end: 99 }))).toBe('89abc')
    await staged.publish(A)
    expect(text(await content(store, A))).toBe('0123456789abc')
  })

  contract('publishes an empty blob', async (store) => {
    await publish(store, A, '')
    expect(await store.stat(A)).toEqual({ sizeBytes: 0 })
    expect(text(await content(store, A))).toBe('')
  })

  contract('refuses to write or publish after publishing', async (store) => {
    await using staged = await store.stage()
    await staged.publish(A)
    await expect(staged.write(bytes('more'))).rejects.toThrow('published already')
    await expect(staged.publish(B)).rejects.toThrow('published already')
    expect(await all(store.list(''))).toEqual([A])
  })

  contract('may be disposed twice, and published blobs stay', async (store) => {
    const staged = await store.stage()
    await staged.write(bytes('kept'))
    await staged.publish(A)
    await staged[Symbol.asyncDispose]()
    await staged[Symbol.asyncDispose]()
    expect(text(await content(store, A))).toBe('kept')
  })

  contract('replaces what was there, and who has it open keeps it', async (store) => {
    await publish(store, A, 'damaged')
    await using before = await store.open(A)
    await publish(store, A, 'healed!!')
    expect(text(await whole(before))).toBe('damaged')
    expect(text(await content(store, A))).toBe('healed!!')
  })

  contract('lets many stage and publish side by side, also to one place', async (store) => {
    const texts = Array.from({ length: 24 }, (_, index) => `blob ${index % 8}`)
    await Promise.all(texts.map((value, index) => publish(store, place(index % 8), value)))
    const stored = await Promise.all(texts.map(async (_, index) => text(await content(store, place(index % 8)))))
    expect(stored).toEqual(texts)
    expect(await all(store.list(''))).toHaveLength(8)
  })

  for (const location of STRANGE) {
    contract(`refuses ${JSON.stringify(location)} as a place`, async (store) => {
      {
        await using staged = await store.stage()
        await expect(staged.publish(location as BlobLocation)).rejects.toMatchObject({ code: 'INVALID_NAME' })
      }
      await expect(store.open(location as BlobLocation)).rejects.toMatchObject({ code: 'INVALID_NAME' })
      await expect(store.stat(location as BlobLocation)).rejects.toMatchObject({ code: 'INVALID_NAME' })
      await expect(store.delete(location as BlobLocation)).rejects.toMatchObject({ code: 'INVALID_NAME' })
      expect(await all(store.list(''))).toEqual([])
    })
  }
}

function readingContract(contract: Contract): void {
  contract('says NOT_FOUND for what is not there', async (store) => {
    await expect(store.open(A)).rejects.toMatchObject({ code: 'NOT_FOUND' })
    expect(await store.stat(A)).toBeUndefined()
    expect(store.readInline?.(A, 1)).toBeUndefined()
  })

  contract('reads from any place, fewer bytes only at the end', async (store) => {
    await publish(store, A, '0123456789')
    await using stored = await store.open(A)
    expect(stored.sizeBytes).toBe(10)
    const target = new Uint8Array(4)
    expect([await stored.read(target, 3), text(target)]).toEqual([4, '3456'])
    expect([await stored.read(target, 8), text(target.subarray(0, 2))]).toEqual([2, '89'])
    expect(await stored.read(target, 10)).toBe(0)
  })

  contract('reads side by side from one opened blob', async (store) => {
    await publish(store, A, 'abcdefghij')
    await using stored = await store.open(A)
    const letters = await Promise.all(
      Array.from({ length: 10 }, async (_, offset) => {
        const target = new Uint8Array(1)
        await stored.read(target, offset)
        return text(target)
      }),
    )
    expect(letters.join('')).toBe('abcdefghij')
  })

  contract('keeps an opened blob readable after it is deleted', async (store) => {
    await publish(store, A, 'still here')
    await using stored = await store.open(A)
    await store.delete(A)
    expect(text(await whole(stored))).toBe('still here')
    await expect(store.open(A)).rejects.toMatchObject({ code: 'NOT_FOUND' })
  })

  contract('deletes what is not there without a word', async (store) => {
    await store.delete(A)
    await publish(store, A, 'x')
    await store.delete(A)
    await store.delete(A)
    expect(await all(store.list(''))).toEqual([])
  })

  contract('reads inline only what has exactly the size that is asked for', async (store) => {
    await publish(store, A, 'inline')
    expect(text(store.readInline?.(A, 6) ?? bytes('inline'))).toBe('inline')
    expect(store.readInline?.(A, 5)).toBeUndefined()
    expect(store.readInline?.(A, 7)).toBeUndefined()
  })
}

function listingContract(contract: Contract): void {
  const places = [
    blobLocation('a', digest('00')),
    blobLocation('a', digest('ff')),
    blobLocation('a-b', digest('01')),
    blobLocation('main', digest('ab')),
    blobLocation('main', digest('abab')),
    blobLocation('main', digest('ac')),
  ].sort()

  contract('lists every location once, in ascending order', async (store) => {
    for (const location of places.toReversed()) await publish(store, location, 'x')
    expect(await all(store.list(''))).toEqual(places)
  })

  contract('goes on behind any location, and keeps to any prefix', async (store) => {
    for (const location of places) await publish(store, location, 'x')
    for (const [index, after] of places.entries()) {
      expect(await all(store.list('', after))).toEqual(places.slice(index + 1))
    }
    for (const prefix of ['a/', 'a', 'm', 'main/sha256/ab/', 'main/sha256/ab/ab/abab', places[0] ?? '', 'zebra']) {
      expect(await all(store.list(prefix))).toEqual(places.filter((location) => location.startsWith(prefix)))
    }
    expect(await all(store.list('main/', blobLocation('main', digest('abab'))))).toEqual([
      blobLocation('main', digest('ac')),
    ])
  })
}

const A = blobLocation('main', digest('0a'))
const B = blobLocation('main', digest('0b'))

const STRANGE = [
  '',
  '../outside',
  'main/sha256/0a/00/../../../../etc/passwd',
  `main/sha256/ff/ff/${digest('0a')}`,
  `tmp/sha256/0a/00/${digest('0a')}`,
  `../main/sha256/0a/00/${digest('0a')}`,
  `Main/sha256/0a/00/${digest('0a')}`,
  `main/sha256/0a/00/${digest('0a')}\0`,
  `main/sha256/0a/00/${digest('0a')}/more`,
]

/** 64 hex digits that begin with these. */
function digest(start: string): string {
  return start.padEnd(64, '0')
}

function place(index: number): BlobLocation {
  return blobLocation('main', digest(`c${index}`))
}

function bytes(value: string): Uint8Array {
  return new TextEncoder().encode(value)
}

function text(value: Uint8Array): string {
  return new TextDecoder().decode(value)
}

function numbered(sizeBytes: number): Uint8Array {
  return Buffer.alloc(
    sizeBytes,
    Uint8Array.from({ length: 251 }, (_, index) => (index * 7 + sizeBytes) % 251),
  )
}

async function publish(store: BlobStore, location: BlobLocation, value: string): Promise<void> {
  await using staged = await store.stage()
  await staged.write(bytes(value))
  await staged.publish(location)
}

async function content(store: BlobStore, location: BlobLocation): Promise<Uint8Array> {
  await using stored = await store.open(location)
  return await whole(stored)
}

async function whole(stored: Awaited<ReturnType<BlobStore['open']>>): Promise<Uint8Array> {
  const target = new Uint8Array(stored.sizeBytes)
  for (let filled = 0; filled < target.byteLength;) {
    const length = await stored.read(target.subarray(filled), filled)
    if (length === 0) throw new Error(`ended at ${filled} of ${target.byteLength}`)
    filled += length
  }
  return target
}

async function all<T>(items: AsyncIterable<T>): Promise<T[]> {
  return Array.fromAsync(items)
}
