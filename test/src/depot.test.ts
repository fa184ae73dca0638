import { createHash, randomBytes } from 'node:crypto'

import { describe, expect, it } from 'vitest'

import { blobLocation } from '../../src/blobs/blob-location.ts'
import type { Depot, StageOptions } from '../../src/depot.ts'
import { createDepot } from '../../src/create-depot.ts'
import { DepotError } from '../../src/errors.ts'
import { SILENT_EVENTS } from '../../src/events.ts'
import { fsck } from '../../src/fsck.ts'
import { MAIN_CACHE, type BlobRow } from '../../src/kv-store.ts'
import { LIMITS } from '../../src/limits.ts'
import { collect, inPieces, openTestDepot, type TestDepot } from '../helpers/depot.ts'
import { storedFiles, storedFilesOf } from '../helpers/stored-files.ts'

const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex')

async function store(
  depot: Depot,
  content: Uint8Array,
  encoding: StageOptions['encoding'],
  key = 'k',
): Promise<BlobRow> {
  await using staged = await depot.stage(MAIN_CACHE, inPieces(content), { encoding })
  const row = await staged.publish()
  await depot.commit(MAIN_CACHE, { puts: [{ kind: 'test', key, value: '{}', refs: [row.digest] }], blobs: [row] })
  return row
}

const locationOf = (row: BlobRow): string => blobLocation(row.domain, row.digest)

/** Change what is stored of a blob, behind the depot's back. */
async function damage({ dir }: TestDepot, row: BlobRow, change: (bytes: Buffer) => Uint8Array): Promise<void> {
  const files = storedFilesOf(dir)
  await files.write(locationOf(row), change(await files.read(locationOf(row))))
}

/** One bit of it is another. */
function flip(bytes: Buffer, at: number): Buffer {
  bytes[at] = (bytes[at] ?? 0) ^ 0x10
  return bytes
}

describe('a depot', () => {
  it.each(['raw', 'zstd'] as const)('gives content back as it came, any range of it, stored %s', async (encoding) => {
    await using world = await openTestDepot()
    const content = Buffer.concat([randomBytes(1_500_000), Buffer.alloc(2_000_000, 'depot'), randomBytes(7)])
    const row = await store(world.depot, content, encoding)
    expect(row).toMatchObject({ digest: sha256(content), sizeBytes: content.byteLength, encoding })
    const stored = await storedFilesOf(world.dir).read(locationOf(row))
    expect(stored.byteLength).toBe(row.storedBytes)
    expect(sha256(stored)).toBe(row.storedSha256)
    await using blob = await world.depot.open(row)
    const source = blob.content()
    for (const [start, end] of [
      [0, content.byteLength],
      [0, 1],
      [1_048_575, 1_048_577],
      [3_500_000, 3_500_007],
      [9, 9],
    ] as const) {
      expect((await collect(source.chunks({ start, end }))).equals(content.subarray(start, end))).toBe(true)
    }
  })

  it('stores empty content', async () => {
    await using world = await openTestDepot()
    for (const encoding of ['raw', 'zstd'] as const) {
      const row = await store(world.depot, Buffer.alloc(0), encoding)
      await using blob = await world.depot.open(row)
      expect(await collect(blob.content().chunks({ start: 0, end: 0 }))).toHaveLength(0)
    }
  })

  it('computes the further digests that are asked for', async () => {
    await using world = await openTestDepot()
    await using staged = await world.depot.stage(MAIN_CACHE, inPieces(Buffer.from('abc')), {
      encoding: 'raw',
      hashes: ['sha1', 'md5'],
    })
    expect(staged.hashes.get('sha1')).toBe('a9993e364706816aba3e25717850c26c9cd0d89d')
    expect(staged.hashes.get('md5')).toBe('900150983cd24fb0d6963f7d28e17f72')
    expect(Buffer.from(await staged.read({ start: 1, end: 3 })).toString()).toBe('bc')
  })

  it.each(['raw', 'zstd'] as const)('leaves no trace of content that fails on its way in (%s)', async (encoding) => {
    await using world = await openTestDepot()
    const content = randomBytes(3_000_000)
    async function* cut(): AsyncGenerator<Uint8Array> {
      yield* inPieces(content.subarray(0, 2_500_000))
      throw new DepotError('BODY_TRUNCATED', 'cut')
    }
    await expect(world.depot.stage(MAIN_CACHE, cut(), { encoding })).rejects.toMatchObject({ code: 'BODY_TRUNCATED' })
    const tooLarge = world.depot.stage(MAIN_CACHE, inPieces(content), { encoding, limitBytes: 2_000_000 })
    await expect(tooLarge).rejects.toMatchObject({ code: 'TOO_LARGE' })
    const refused = world.depot.stage(MAIN_CACHE, inPieces(content), {
      encoding,
      inspect: () => {
        throw new DepotError('CONTENT_MISMATCH', 'no')
      },
    })
    await expect(refused).rejects.toMatchObject({ code: 'CONTENT_MISMATCH' })
    {
      await using unwanted = await world.depot.stage(MAIN_CACHE, inPieces(content), { encoding })
      expect(unwanted.sizeBytes).toBe(content.byteLength)
    }
    expect(await storedFiles(world.dir)).toEqual([])
  })

  it('does not write content again that is there whole, and does when it is damaged', async () => {
    await using world = await openTestDepot()
    const content = randomBytes(5000)
    const row = await store(world.depot, content, 'raw')
    const others = randomBytes(5000)
    await damage(world, row, () => others)
    await store(world.depot, content, 'raw', 'again')
    expect((await storedFilesOf(world.dir).read(locationOf(row))).equals(others)).toBe(true)
    await damage(world, row, (bytes) => bytes.subarray(0, 10))
    await store(world.depot, content, 'raw')
    await using blob = await world.depot.open(row)
    expect((await collect(blob.content().chunks({ start: 0, end: 5000 }))).equals(content)).toBe(true)
  })

  it('takes a blob of the wrong size out of service rather than send it short, until it is sent again', async () => {
    await using world = await openTestDepot()
    const content = randomBytes(5000)
    const row = await store(world.depot, content, 'raw')
    await damage(world, row, (bytes) => bytes.subarray(0, 4999))
    await expect(world.depot.open(row)).rejects.toMatchObject({ code: 'NOT_FOUND' })
    expect(world.quarantined).toEqual([row.digest])
    expect(await world.depot.blobOf(MAIN_CACHE, 'test', row.digest)).toBeUndefined()
    await store(world.depot, content, 'raw')
    expect(await world.depot.blobOf(MAIN_CACHE, 'test', row.digest)).toMatchObject({ state: 'live' })
  })

  it('does not take blobs out of service because their volume is not there', async () => {
    await using world = await openTestDepot()
    const row = await store(world.depot, randomBytes(10), 'raw')
    const files = storedFilesOf(world.dir)
    const kept = await files.read(locationOf(row))
    await files.remove(locationOf(row))
    await expect(world.depot.open(row)).rejects.toMatchObject({ code: 'NOT_FOUND' })
    await files.write(locationOf(row), kept)
    await using blob = await world.depot.open(row)
    expect(blob.row.digest).toBe(row.digest)
  })

  it('breaks off at a damaged frame and takes the blob out of service', async () => {
    await using world = await openTestDepot()
    const row = await store(world.depot, Buffer.concat([randomBytes(1_048_576), randomBytes(2_000_000)]), 'zstd')
    await damage(world, row, (bytes) => flip(bytes, 1_500_000))
    await using blob = await world.depot.open(row)
    await expect(collect(blob.content().chunks({ start: 0, end: row.sizeBytes }))).rejects.toThrow()
    expect(world.quarantined).toEqual([row.digest])
  })

  it.each([
    ['raw', (bytes: Buffer) => bytes.subarray(0, 4999)],
    ['zstd', (bytes: Buffer) => flip(bytes, 2000)],
  ] as const)(
    'leaves in service what was sent again while a reader found it damaged, stored %s',
    async (encoding, spoil) => {
      await using world = await openTestDepot()
      const content = randomBytes(5000)
      const row = await store(world.depot, content, encoding)
      await damage(world, row, spoil)
      const { kv, blobs } = world.depot
      // Between what this reader finds and what it does about it, another one has done the same, and a client has healed it.
      const late = createDepot({
        kv: {
          ...kv,
          async setBlobState(domain, digest, state) {
            if (state === 'quarantined') {
              await kv.setBlobState(domain, digest, state)
              await store(world.depot, content, encoding)
            }
            await kv.setBlobState(domain, digest, state)
          },
        },
        blobs,
        events: SILENT_EVENTS,
      })
      const readAll = async (depot: Depot): Promise<Buffer> => {
        await using blob = await depot.open(row)
        return collect(blob.content().chunks({ start: 0, end: row.sizeBytes }))
      }
      await expect(readAll(late)).rejects.toThrow()
      expect(await world.depot.blobOf(MAIN_CACHE, 'test', row.digest)).toMatchObject({ state: 'live' })
      expect((await readAll(world.depot)).equals(content)).toBe(true)
    },
  )

  it('lists a whole kind, and only the keys of a prefix', async () => {
    await using world = await openTestDepot()
    const keys = Array.from({ length: 1203 }, (_, index) => `p${String(index).padStart(5, '0')}`)
    await world.depot.commit(MAIN_CACHE, {
      puts: [...keys, 'p', 'q@1', 'q@2', 'qa@1'].map((key) => ({ kind: 'many', key, value: '{}' })),
    })
    const listed = async (prefix: string): Promise<string[]> => {
      const found: string[] = []
      for await (const record of world.depot.all(MAIN_CACHE, 'many', prefix)) found.push(record.key)
      return found
    }
    expect(await listed('p0')).toEqual(keys)
    expect(await listed('q@')).toEqual(['q@1', 'q@2'])
    expect(await listed('')).toHaveLength(keys.length + 4)
  })

  it('serves others while it lists', async () => {
    await using world = await openTestDepot()
    const puts = Array.from({ length: 3000 }, (_, index) => ({ kind: 'many', key: String(index), value: '{}' }))
    await world.depot.commit(MAIN_CACHE, { puts })
    let turns = 0
    let listing = true
    const count = (): void => {
      turns++
      if (listing) setImmediate(count)
    }
    setImmediate(count)
    for await (const _ of world.depot.all(MAIN_CACHE, 'many'));
    listing = false
    expect(turns).toBeGreaterThanOrEqual(5)
  })
})

describe('Depot.document', () => {
  const key = { cache: 1, kind: 'test', key: 'k', variant: 'full', origin: '' }

  async function put(depot: Depot, value: number): Promise<void> {
    await depot.commit(MAIN_CACHE, { puts: [{ kind: 'test', key: 'k', value: JSON.stringify({ value }) }] })
  }

  function renderer(depot: Depot, log: string[], pause: Promise<void> = Promise.resolve()) {
    return async () => {
      const record = await depot.get(MAIN_CACHE, 'test', 'k')
      if (record === undefined) return undefined
      log.push(record.value)
      await pause
      return { body: record.value, etag: `"${record.version}"`, encoding: '' as const, sourceVersion: record.version }
    }
  }

  it('renders once for everyone who asks, and again after the record changed', async () => {
    await using world = await openTestDepot()
    const log: string[] = []
    await put(world.depot, 1)
    const many = await Promise.all(
      Array.from({ length: 20 }, () => world.depot.document(key, renderer(world.depot, log))),
    )
    expect(new Set(many.map((document) => document?.body))).toEqual(new Set(['{"value":1}']))
    expect(log).toHaveLength(1)
    await put(world.depot, 2)
    expect((await world.depot.document(key, renderer(world.depot, log)))?.body).toBe('{"value":2}')
    expect(log).toHaveLength(2)
  })

  it('never answers with what was rendered before a commit that had been acknowledged', async () => {
    await using world = await openTestDepot()
    const log: string[] = []
    const gate = Promise.withResolvers<void>()
    await put(world.depot, 1)
    const early = world.depot.document(key, renderer(world.depot, log, gate.promise))
    await expect.poll(() => log.length).toBe(1)
    await put(world.depot, 2)
    const late = world.depot.document(key, renderer(world.depot, log))
    gate.resolve()
    expect((await late)?.body).toBe('{"value":2}')
    expect((await early)?.body).toBe('{"value":1}')
    expect((await world.depot.document(key, renderer(world.depot, log)))?.body).toBe('{"value":2}')
  })

  it('is stored for the first origins only, and given for all', async () => {
    await using world = await openTestDepot()
    await put(world.depot, 1)
    const keys = Array.from({ length: 100 }, (_, port) => ({ ...key, origin: `http://127.0.0.1:${port}` }))
    for (const one of keys)
      expect((await world.depot.document(one, renderer(world.depot, [])))?.body).toBe('{"value":1}')
    const stored = await Promise.all(keys.map(async (one) => world.depot.kv.document(one)))
    expect(stored.filter((document) => document !== undefined)).toHaveLength(LIMITS.documentOriginsMax)
  })

  it('has nothing to give when the record is not there', async () => {
    await using world = await openTestDepot()
    expect(await world.depot.document(key, renderer(world.depot, []))).toBeUndefined()
  })
})

describe('fsck', () => {
  async function findings(depot: Depot, full: boolean): Promise<string[]> {
    const found: string[] = []
    for await (const { severity, kind } of fsck({ blobs: depot.blobs, kv: depot.kv, full }))
      found.push(`${severity} ${kind}`)
    return found.toSorted()
  }

  it('is silent about a whole depot', async () => {
    await using world = await openTestDepot()
    await store(world.depot, randomBytes(2_000_000), 'zstd')
    await store(world.depot, randomBytes(1000), 'raw', 'other')
    expect(await findings(world.depot, true)).toEqual([])
  })

  it('finds what is missing, short, flipped, out of service and unknown', async () => {
    await using world = await openTestDepot()
    const rows = []
    for (let index = 0; index < 4; index++)
      rows.push(await store(world.depot, randomBytes(1_200_000), 'zstd', `k${index}`))
    const [missing, short, flipped, quarantined] = rows
    if (!missing || !short || !flipped || !quarantined) throw new Error('four were stored')
    await storedFilesOf(world.dir).remove(locationOf(missing))
    await damage(world, short, (bytes) => bytes.subarray(0, 100))
    await damage(world, flipped, (bytes) => flip(bytes, bytes.length >> 1))
    await world.depot.kv.setBlobState('main', quarantined.digest, 'quarantined')
    await using orphan = await world.depot.stage(MAIN_CACHE, inPieces(randomBytes(10)), { encoding: 'raw' })
    await orphan.publish()
    const sizes = ['error blob-missing', 'error blob-size', 'error reference-broken', 'note orphan']
    expect(await findings(world.depot, false)).toEqual(sizes)
    expect(await findings(world.depot, true)).toEqual(['error blob-corrupt', ...sizes])
    // A check changes nothing.
    expect(await world.depot.kv.blob('main', short.digest)).toMatchObject({ state: 'live' })
  })
})
