import { renameSync, rmSync, truncateSync, chmodSync, writeFileSync, mkdirSync } from 'node:fs'
import { rename, symlink } from 'node:fs/promises'
import path from 'node:path'

import { describe, expect, it } from 'vitest'

import { blobLocation } from '../../src/blobs/blob-location.ts'
import { DepotError } from '../../src/errors.ts'
import { fsck } from '../../src/fsck.ts'
import { MAIN_CACHE, type BlobRow } from '../../src/kv-store.ts'
import { LIMITS } from '../../src/limits.ts'
import { moveBlobs, type Moved, type MoveOptions } from '../../src/blobs/move-blobs.ts'
import type { PlacementStrategy } from '../../src/blobs/placement.ts'
import { openStorage } from '../../storage/open.ts'
import { collect, inPieces } from '../helpers/depot.ts'
import { describeWith } from '../helpers/have.ts'
import { createDatabase } from '../helpers/postgres-database.ts'
import { filesIn, openSeveral, storeBlob, type SeveralDepot, type SeveralOptions } from '../helpers/several-stores.ts'
import { tempDir, type TempDir } from '../helpers/temp-dir.ts'

interface World extends AsyncDisposable {
  readonly dir: TempDir
  readonly databaseUrl: string
}

describe('several stores, names in SQLite', () => {
  severalStoresContract(async () => {
    const dir = await tempDir('stores')
    return { dir, databaseUrl: `sqlite://${dir.join('depot.db')}`, [Symbol.asyncDispose]: dir[Symbol.asyncDispose] }
  })
})

describeWith('postgres', 'several stores, names in PostgreSQL', () => {
  severalStoresContract(async () => {
    const dir = await tempDir('stores')
    const database = await createDatabase()
    return {
      dir,
      databaseUrl: database.url,
      async [Symbol.asyncDispose]() {
        await database[Symbol.asyncDispose]()
        await dir[Symbol.asyncDispose]()
      },
    }
  })
})

function severalStoresContract(open: () => Promise<World>): void {
  describe('placing', () => {
    placing(open)
  })
  describe('one that is down', () => {
    outages(open)
  })
  describe('one content', () => {
    contents(open)
  })
  describe('the start', () => {
    starts(open)
  })
  describe('checking and moving', () => {
    upkeep(open)
  })
}

function several(world: World, placement: PlacementStrategy, stores: SeveralOptions['stores']): Promise<SeveralDepot> {
  return openSeveral({ ...world, placement, stores })
}

async function readBack({ depot }: SeveralDepot, row: BlobRow): Promise<string> {
  const found = await depot.blobOf(MAIN_CACHE, 'test', row.digest)
  if (found === undefined) throw new Error('no such blob')
  await using blob = await depot.open(found)
  return (await collect(blob.content().chunks({ start: 0, end: found.sizeBytes }))).toString()
}

function fileOf({ dir }: World, row: BlobRow): string {
  return dir.join(row.store, blobLocation(row.domain, row.digest))
}

async function findings({ depot }: SeveralDepot): Promise<string[]> {
  const all = await Array.fromAsync(fsck({ blobs: depot.blobs, kv: depot.kv, full: true }))
  return all.map(({ kind, store }) => `${kind} ${store}`)
}

function placing(open: () => Promise<World>): void {
  it.each([
    ['round-robin', ['a', 'b', 'c', 'a', 'b', 'c']],
    ['in-order', ['a', 'a', 'a', 'a', 'a', 'a']],
    ['split', ['a', 'b', 'a', 'c', 'a', 'a']],
    ['least-used', ['a', 'b', 'c', 'a', 'b', 'c']],
  ] as const)('by %s puts blobs where the rows say, and they are read from there', async (placement, expected) => {
    await using world = await open()
    const parts = [
      ['a', 60],
      ['b', 20],
      ['c', 20],
    ] as const
    await using here = await several(
      world,
      placement,
      parts.map(([name, splitPercent]) => ({ name, splitPercent })),
    )
    const rows: BlobRow[] = []
    for (let index = 0; index < 6; index++) rows.push(await storeBlob(here.depot, `blob number ${index}`))
    expect(rows.map(({ store }) => store).toSorted()).toEqual([...expected].toSorted())
    for (const [index, row] of rows.entries()) {
      expect(filesIn(world.dir.join(row.store))).toContain(row.digest)
      expect(await readBack(here, row)).toBe(`blob number ${index}`)
    }
    expect(await findings(here)).toEqual([])
  })

  it('by least-used counts what lay there before, and what is on its way', async () => {
    await using world = await open()
    {
      await using here = await several(world, 'in-order', ['a', 'b'])
      await storeBlob(here.depot, 'x'.repeat(5000))
    }
    await using here = await several(world, 'least-used', ['a', 'b'])
    await expect.poll(async () => (await storeBlob(here.depot, `small ${Math.random()}`)).store).toBe('b')
    const large = await here.depot.stage(MAIN_CACHE, inPieces(Buffer.alloc(100_000, 'y')), { encoding: 'raw' })
    expect((await storeBlob(here.depot, 'while the large one is on its way')).store).toBe('a')
    await large[Symbol.asyncDispose]()
    expect((await storeBlob(here.depot, 'when it was given up')).store).toBe('b')
  })

  it('passes over a store that is read-only, and still reads from it', async () => {
    await using world = await open()
    let row: BlobRow
    {
      await using here = await several(world, 'in-order', ['a', 'b'])
      row = await storeBlob(here.depot, 'old')
    }
    await using here = await several(world, 'in-order', [{ name: 'a', readOnly: true }, 'b'])
    expect((await storeBlob(here.depot, 'new')).store).toBe('b')
    expect(await readBack(here, row)).toBe('old')
  })
}

function outages(open: () => Promise<World>): void {
  it('is passed over for new blobs; what lies there is 503 and not 404, and comes back with it', async () => {
    await using world = await open()
    await using here = await several(world, 'round-robin', ['a', 'b'])
    const rows = [await storeBlob(here.depot, 'first'), await storeBlob(here.depot, 'second')]
    expect(rows.map(({ store }) => store)).toEqual(['a', 'b'])
    // As when its disk is pulled out: the folder on which it was mounted stays, and is empty.
    await rename(world.dir.join('a'), world.dir.join('away'))
    mkdirSync(world.dir.join('a'))
    for (let index = 0; index < 4; index++) expect((await storeBlob(here.depot, `meanwhile ${index}`)).store).toBe('b')
    expect(here.told).toEqual(['a STORAGE_DOWN'])
    const [first, second] = rows as [BlobRow, BlobRow]
    await expect(here.depot.open(first)).rejects.toMatchObject({ code: 'STORAGE_DOWN' })
    expect(await readBack(here, second)).toBe('second')
    expect(await findings(here)).toEqual(['store-down a'])
    rmSync(world.dir.join('a'), { recursive: true })
    await rename(world.dir.join('away'), world.dir.join('a'))
    expect(await readBack(here, first)).toBe('first')
    await expect
      .poll(async () => (await storeBlob(here.depot, `${Math.random()}`)).store, {
        timeout: 8 * LIMITS.storeRetryMs,
        interval: 300,
      })
      .toBe('a')
    expect(here.told.at(-1)).toBe('a is back')
  })

  it('is a file in its place as well as nothing at all, and one that misses a single blob is not down', async () => {
    await using world = await open()
    await using here = await several(world, 'in-order', ['a', 'b'])
    const row = await storeBlob(here.depot, 'gone')
    rmSync(fileOf(world, row))
    await expect(here.depot.open(row)).rejects.toMatchObject({ code: 'NOT_FOUND' })
    await rename(world.dir.join('a'), world.dir.join('away'))
    writeFileSync(world.dir.join('a'), 'no folder')
    await expect(here.depot.open(row)).rejects.toMatchObject({ code: 'STORAGE_DOWN' })
    expect((await storeBlob(here.depot, 'new')).store).toBe('b')
  })

  it('says what is wrong when there is no other', async () => {
    await using world = await open()
    await using here = await several(world, 'in-order', ['a', 'b'])
    for (const name of ['a', 'b']) await rename(world.dir.join(name), world.dir.join(`${name}-away`))
    await expect(storeBlob(here.depot, 'nowhere')).rejects.toMatchObject({ code: 'STORAGE_DOWN' })
    await rename(world.dir.join('b-away'), world.dir.join('b'))
    expect((await storeBlob(here.depot, 'at once')).store).toBe('b')
  })
}

function contents(open: () => Promise<World>): void {
  it('that is sent again stays where it is, whoever is next', async () => {
    await using world = await open()
    await using here = await several(world, 'round-robin', ['a', 'b', 'c'])
    const stores = new Set<string>()
    for (let index = 0; index < 4; index++) stores.add((await storeBlob(here.depot, 'the same')).store)
    expect(stores.size).toBe(1)
    expect(await findings(here)).toEqual([])
  })

  it('that is sent many times at once is stored once', async () => {
    await using world = await open()
    await using here = await several(world, 'round-robin', ['a', 'b', 'c'])
    const rows = await Promise.all(Array.from({ length: 9 }, () => storeBlob(here.depot, 'all at once')))
    expect(new Set(rows.map(({ store }) => store)).size).toBe(1)
    expect(['a', 'b', 'c'].flatMap((name) => filesIn(world.dir.join(name)))).toHaveLength(1)
  })

  it.each([
    ['missing', (file: string) => rmSync(file)],
    ['cut short', (file: string) => (chmodSync(file, 0o600), truncateSync(file, 2))],
  ])('that is %s is healed by sending it again, where placement has it', async (_name, damage) => {
    await using world = await open()
    await using here = await several(world, 'round-robin', ['a', 'b'])
    const row = await storeBlob(here.depot, 'to be damaged')
    damage(fileOf(world, row))
    const healed = await storeBlob(here.depot, 'to be damaged')
    expect([row.store, healed.store]).toEqual(['a', 'b'])
    expect(await readBack(here, row)).toBe('to be damaged')
    expect((await findings(here)).filter((finding) => finding !== 'duplicate a')).toEqual([])
  })

  it('whose store is down is stored anew elsewhere, and lies twice when the store is back', async () => {
    await using world = await open()
    await using here = await several(world, 'in-order', ['a', 'b'])
    const row = await storeBlob(here.depot, 'wanted now')
    await rename(world.dir.join('a'), world.dir.join('away'))
    expect((await storeBlob(here.depot, 'wanted now')).store).toBe('b')
    expect(await readBack(here, row)).toBe('wanted now')
    await rename(world.dir.join('away'), world.dir.join('a'))
    expect(await findings(here)).toEqual(['duplicate a'])
  })

  it('that was moved since its row was read is read from where it lies now', async () => {
    await using world = await open()
    await using here = await several(world, 'in-order', ['a', 'b'])
    const row = await storeBlob(here.depot, 'moved meanwhile')
    await move(here, 'a', 'b')
    await using blob = await here.depot.open(row)
    expect((await collect(blob.stored().chunks({ start: 0, end: row.sizeBytes }))).toString()).toBe('moved meanwhile')
  })
}

async function move(...args: Parameters<typeof startMove>): Promise<string[]> {
  const all = await Array.fromAsync(startMove(...args))
  return all.map((one) => ('moved' in one ? 'moved' : one.reason))
}

function startMove(
  { depot: { kv, blobs } }: SeveralDepot,
  from: string,
  to: string,
  more: Partial<MoveOptions> = {},
): AsyncGenerator<Moved> {
  const named = (name: string) => blobs.all.find((store) => store.name === name)
  const [source, target] = [named(from), named(to)]
  if (source === undefined || target === undefined) throw new Error('no such store')
  return moveBlobs({ stores: blobs, kv, from: source, to: target, ...more })
}

function starts(open: () => Promise<World>): void {
  it('finds what was stored before there were several, in the folder where it lies', async () => {
    await using world = await open()
    const { dir, databaseUrl } = world
    let row: BlobRow
    {
      await using one = await openOne(dir, databaseUrl)
      row = await storeBlob(one.depot, 'from before')
    }
    expect(row.store).toBe('')
    const before = { name: 'before', place: { type: 'fs', path: dir.join('blobs') } } as const
    await using here = await several(world, 'in-order', ['a', before])
    expect(await readBack(here, row)).toBe('from before')
    expect((await storeBlob(here.depot, 'from before')).store).toBe('')
    expect(await findings(here)).toEqual([])
    await expect(several(world, 'in-order', ['a', 'b'])).rejects.toThrow(
      `lies in ${dir.join('blobs')}, and not in the store 'a'`,
    )
  })

  it('takes the first store for what was stored before, when its folder was moved there', async () => {
    await using world = await open()
    const { dir, databaseUrl } = world
    let row: BlobRow
    {
      await using one = await openOne(dir, databaseUrl)
      row = await storeBlob(one.depot, 'from before')
    }
    await rename(dir.join('blobs'), dir.join('a'))
    await using here = await several(world, 'in-order', ['a', 'b'])
    expect(await readBack(here, row)).toBe('from before')
  })

  it('is refused in one line when blobs lie in a store that is not configured', async () => {
    await using world = await open()
    {
      await using here = await several(world, 'in-order', ['a', 'b'])
      for (const content of ['one', 'two']) await storeBlob(here.depot, content)
    }
    const message =
      /^2 blobs lie in the store 'a', which the configuration does not have: put it back into \[\[stores\]\]/
    await expect(several(world, 'in-order', ['b', 'c'])).rejects.toThrow(message)
    await expect(openOne(world.dir, world.databaseUrl)).rejects.toThrow(message)
  })

  it('goes on without a store whose disk is not there, makes nothing in its place, and takes it when it is', async () => {
    await using world = await open()
    let row: BlobRow
    {
      await using here = await several(world, 'in-order', ['a', 'b'])
      row = await storeBlob(here.depot, 'on a')
    }
    await rename(world.dir.join('a'), world.dir.join('away'))
    await using here = await several(world, 'in-order', ['a', 'b'])
    expect(here.told.join()).toMatch(
      /the store 'a' .* cannot be opened: .*is its disk mounted\?; the others serve without it/,
    )
    expect((await storeBlob(here.depot, 'new')).store).toBe('b')
    await expect(here.depot.open(row)).rejects.toMatchObject({ code: 'STORAGE_DOWN' })
    expect(() => filesIn(world.dir.join('a'))).toThrow('ENOENT')
    await rename(world.dir.join('away'), world.dir.join('a'))
    await expect
      .poll(() => readBack(here, row).catch(() => 'not yet'), { timeout: 8 * LIMITS.storeRetryMs, interval: 300 })
      .toBe('on a')
  })

  it('is refused when a new store cannot be made, and when two are one folder by another name', async () => {
    await using world = await open()
    writeFileSync(world.dir.join('b'), 'a file')
    await expect(several(world, 'in-order', ['a', 'b'])).rejects.toThrow(/the store 'b' .* cannot be opened/)
    await symlink(world.dir.join('a'), world.dir.join('c'))
    await expect(several(world, 'in-order', ['a', 'c'])).rejects.toThrow(/'a' and 'c' lie in one folder/)
    const inside = { name: 'd', place: { type: 'fs', path: world.dir.join('c', 'below') } } as const
    await expect(several(world, 'in-order', ['a', inside])).rejects.toThrow(/'a' and 'd' lie in one folder/)
  })
}

async function openOne(dir: TempDir, databaseUrl: string): Promise<SeveralDepot> {
  const { createDepot } = await import('../../src/create-depot.ts')
  const { SILENT_EVENTS } = await import('../../src/events.ts')
  const { kv, blobs } = await openStorage({ storePath: dir.path, databaseUrl, storageType: 'fs' })
  return {
    depot: createDepot({ kv, blobs, events: SILENT_EVENTS }),
    told: [],
    async [Symbol.asyncDispose]() {
      await kv[Symbol.asyncDispose]()
      await blobs[Symbol.asyncDispose]()
    },
  }
}

function upkeep(open: () => Promise<World>): void {
  it.each([
    ['is unmounted', (folder: string) => mkdirSync(folder)],
    ['is a file by now', (folder: string) => writeFileSync(folder, 'no folder')],
  ])('goes on without a store that %s, and says once that it went down in the middle', async (_name, replace) => {
    await using world = await open()
    await using here = await several(world, 'round-robin', ['a', 'b'])
    for (let index = 0; index < 12; index++) await storeBlob(here.depot, `number ${index}`)
    const { kv, blobs } = here.depot
    const onB = (await kv.blobs(undefined, 100)).filter(({ store }) => store === 'b')
    for (const row of [onB.at(0), onB.at(-1)]) if (row !== undefined) rmSync(fileOf(world, row))
    const counts = { blobs: 0, references: 0, hashedBytes: 0 }
    const found: string[] = []
    for await (const { kind, store } of fsck({ blobs, kv, full: true, counts })) {
      if (found.push(`${kind} ${store}`) > 1) continue
      renameSync(world.dir.join('a'), world.dir.join('away'))
      replace(world.dir.join('a'))
    }
    expect(found).toEqual(['blob-missing b', 'store-down a', 'blob-missing b'])
    expect(counts).toMatchObject({ blobs: 12, references: 12 })
  })

  it('goes on without a store that goes down while it is listed', async () => {
    await using world = await open()
    await using here = await several(world, 'in-order', ['a', 'b'])
    await storeBlob(here.depot, 'whole')
    const { kv, blobs } = here.depot
    const all = blobs.all.map(({ name, blobs: store }) => {
      if (name !== 'a') return { name, blobs: store }
      const list = (): AsyncIterable<never> => ({
        [Symbol.asyncIterator]: () => ({ next: () => Promise.reject(new DepotError('STORAGE_DOWN', 'gone')) }),
      })
      return { name, blobs: { ...store, list } }
    })
    const found = await Array.fromAsync(fsck({ blobs: { ...blobs, all }, kv, full: false }))
    const detail = 'went down: what is left of it is not checked: gone'
    expect(found).toEqual([{ kind: 'store-down', severity: 'error', subject: 'a', detail, store: 'a' }])
  })

  it('names orphans and duplicates with their store', async () => {
    await using world = await open()
    await using here = await several(world, 'in-order', ['a', 'b'])
    const row = await storeBlob(here.depot, 'twice')
    const [a, b] = here.depot.blobs.all
    if (a === undefined || b === undefined) throw new Error('two stores')
    for (const digest of [row.digest, 'f'.repeat(64)]) {
      await using staged = await b.blobs.stage()
      await staged.write(Buffer.from('twice'))
      await staged.publish(blobLocation('main', digest))
    }
    expect((await findings(here)).toSorted()).toEqual(['duplicate b', 'orphan b'])
  })

  it('moves every blob, checks each, leaves what is damaged, and may be stopped and begun again', async () => {
    await using world = await open()
    await using here = await several(world, 'in-order', ['a', 'b'])
    const rows: BlobRow[] = []
    for (let index = 0; index < 5; index++) rows.push(await storeBlob(here.depot, `number ${index}`, `k${index}`))
    const [damaged, ...whole] = rows as [BlobRow, ...BlobRow[]]
    chmodSync(fileOf(world, damaged), 0o600)
    writeFileSync(fileOf(world, damaged), 'NUMBER 0')
    for await (const one of startMove(here, 'a', 'b')) if ('moved' in one) break
    const outcomes = await move(here, 'a', 'b')
    expect(outcomes.filter((outcome) => outcome === 'moved')).toHaveLength(3)
    expect(outcomes.filter((outcome) => outcome !== 'moved')).toEqual([expect.stringContaining('send it again')])
    expect(filesIn(world.dir.join('a'))).toEqual([damaged.digest])
    for (const [index, row] of whole.entries()) expect(await readBack(here, row)).toBe(`number ${index + 1}`)
    expect(await findings(here)).toEqual(['blob-corrupt a'])
  })

  it('removes at its end what a move that was killed has copied and not deleted, and nothing else', async () => {
    await using world = await open()
    await using here = await several(world, 'in-order', ['a', 'b'])
    const row = await storeBlob(here.depot, 'half moved')
    const file = fileOf(world, row)
    await move(here, 'a', 'b')
    mkdirSync(path.dirname(file), { recursive: true })
    writeFileSync(file, 'half moved')
    const orphan = world.dir.join('a', blobLocation('main', 'f'.repeat(64)))
    mkdirSync(path.dirname(orphan), { recursive: true })
    writeFileSync(orphan, 'of somebody who commits in a moment')
    expect(await move(here, 'a', 'b')).toEqual([])
    expect(filesIn(world.dir.join('a'))).toEqual(['f'.repeat(64)])
  })

  it('keeps what has moved where it was for as long as clients may be on their way there', async () => {
    await using world = await open()
    await using here = await several(world, 'in-order', ['a', 'b'])
    const rows = [await storeBlob(here.depot, 'one'), await storeBlob(here.depot, 'two')]
    const digests = rows.map(({ digest }) => digest).toSorted()
    const inFolders = () => ['a', 'b'].map((name) => filesIn(world.dir.join(name)).toSorted())
    {
      await using moving = startMove(here, 'a', 'b', { keptMs: 600_000 })
      for (let moved = 0; moved < rows.length; moved++) await moving.next()
      expect(inFolders()).toEqual([digests, digests])
    }
    const begunMs = performance.now()
    expect(await move(here, 'a', 'b', { keptMs: 300 })).toEqual([])
    // Timers may be early by a millisecond.
    expect(performance.now() - begunMs).toBeGreaterThan(298)
    expect(inFolders()).toEqual([[], digests])
    const later = await storeBlob(here.depot, 'three')
    expect(await move(here, 'a', 'b', { keptMs: 1 })).toEqual(['moved'])
    expect(inFolders()).toEqual([[], [...digests, later.digest].toSorted()])
    expect(await findings(here)).toEqual([])
  })

  it('deletes nothing that has come back to where it was', async () => {
    await using world = await open()
    await using here = await several(world, 'in-order', ['a', 'b'])
    const row = await storeBlob(here.depot, 'to and fro')
    const { kv } = here.depot
    const returning: MoveOptions['kv'] = {
      ...kv,
      async moveBlob(from, to) {
        await kv.moveBlob(from, to)
        await kv.moveBlob({ ...from, store: to }, 'a')
      },
    }
    expect(await move(here, 'a', 'b', { kv: returning })).toEqual(['moved'])
    expect(await readBack(here, row)).toBe('to and fro')
  })

  it('deletes no blob of which the other store does not give back the very same bytes', async () => {
    await using world = await open()
    await using here = await several(world, 'in-order', ['a', 'b'])
    const row = await storeBlob(here.depot, 'the only copy')
    const [from, to] = here.depot.blobs.all
    if (from === undefined || to === undefined) throw new Error('two stores')
    const spoiling = {
      ...to.blobs,
      async stage() {
        const staged = await to.blobs.stage()
        return { ...staged, write: (bytes: Uint8Array) => staged.write(Buffer.from(bytes).fill('x', 3, 4)) }
      },
    }
    const { blobs: stores, kv } = here.depot
    const moving = Array.fromAsync(moveBlobs({ stores, kv, from, to: { name: 'b', blobs: spoiling } }))
    await expect(moving).rejects.toMatchObject({ code: 'STORAGE_DOWN', message: expect.stringContaining("'b'") })
    expect(filesIn(world.dir.join('a'))).toEqual([row.digest])
    expect(await readBack(here, row)).toBe('the only copy')
    expect(await move(here, 'a', 'b')).toEqual(['moved'])
    expect(await findings(here)).toEqual([])
  })

  it('keeps the second copy of what is damaged where its row says', async () => {
    await using world = await open()
    await using here = await several(world, 'in-order', ['a', 'b'])
    const row = await storeBlob(here.depot, 'lies twice')
    await move(here, 'a', 'b')
    const damaged = fileOf(world, { ...row, store: 'b' })
    chmodSync(damaged, 0o600)
    writeFileSync(damaged, 'LIES TWICE')
    mkdirSync(path.dirname(fileOf(world, row)), { recursive: true })
    writeFileSync(fileOf(world, row), 'lies twice')
    expect(await move(here, 'a', 'b')).toEqual([])
    expect(filesIn(world.dir.join('a'))).toEqual([row.digest])
  })

  it('deletes nothing more when others may have begun to move', async () => {
    await using world = await open()
    await using here = await several(world, 'in-order', ['a', 'b'])
    const rows = [await storeBlob(here.depot, 'one'), await storeBlob(here.depot, 'two')]
    const [from, to] = here.depot.blobs.all
    if (from === undefined || to === undefined) throw new Error('two stores')
    const lost = new AbortController()
    const { blobs: stores } = here.depot
    const kv = {
      ...here.depot.kv,
      async moveBlob(row: BlobRow, store: string) {
        await here.depot.kv.moveBlob(row, store)
        lost.abort()
      },
    }
    const moving = Array.fromAsync(moveBlobs({ stores, kv, from, to, lost: lost.signal }))
    await expect(moving).rejects.toMatchObject({ code: 'STORAGE_DOWN' })
    expect(filesIn(world.dir.join('a'))).toHaveLength(rows.length)
    expect(await move(here, 'a', 'b')).toEqual(['moved'])
    expect(await findings(here)).toEqual([])
  })

  it('moves nothing from a place to itself, which two names hide', async () => {
    await using world = await open()
    await using here = await several(world, 'in-order', ['a', 'b'])
    const row = await storeBlob(here.depot, 'the only copy')
    const [from] = here.depot.blobs.all
    if (from === undefined) throw new Error('a store')
    const to = { name: 'b', blobs: from.blobs }
    const moving = Array.fromAsync(moveBlobs({ stores: here.depot.blobs, kv: here.depot.kv, from, to }))
    await expect(moving).rejects.toThrow("'a' and 'b' are one place under two names")
    expect(filesIn(world.dir.join('a'))).toEqual([row.digest])
    expect(await readBack(here, row)).toBe('the only copy')
  })

  it.each(['healed', 'sent by two at once'])('leaves where it is what was %s while it was moved', async (how) => {
    await using world = await open()
    await using here = await several(world, 'in-order', ['a', 'b'])
    const { depot } = here
    const content = 'sent while it is moved'
    if (how === 'healed') rmSync(fileOf(world, await storeBlob(depot, content, 'first')))
    const stages = [0, 1].map(() => depot.stage(MAIN_CACHE, inPieces(Buffer.from(content)), { encoding: 'raw' }))
    const [first, second] = await Promise.all(stages)
    if (first === undefined || second === undefined) throw new Error('two uploads')
    await using earlier = first
    await using later = second
    const rows = [await earlier.publish(), await later.publish()]
    expect(rows.map(({ store }) => store)).toEqual(['a', 'a'])
    const put = { kind: 'test', key: 'first', value: '{}', refs: [earlier.digest] }
    if (how !== 'healed') await depot.commit(MAIN_CACHE, { puts: [put], blobs: rows.slice(0, 1) })
    expect(await move(here, 'a', 'b')).toEqual(['moved'])
    await depot.commit(MAIN_CACHE, { puts: [{ ...put, key: 'second' }], blobs: rows.slice(1) })
    expect(await findings(here)).toEqual([])
    expect(await readBack(here, { ...(rows[1] as BlobRow) })).toBe(content)
  })

  it('moves under readers and writers without one of them noticing', { timeout: 60_000 }, async () => {
    await using world = await open()
    await using here = await several(world, 'round-robin', ['a', 'b'])
    const contents = Array.from({ length: 40 }, (_, index) => `content ${index}`.repeat(100))
    const rows = await Promise.all(contents.map((content, index) => storeBlob(here.depot, content, `k${index}`)))
    let isMoving = true
    const pick = (): number => Math.floor(Math.random() * contents.length)
    const readers = Array.from({ length: 4 }, async () => {
      while (isMoving) {
        const index = pick()
        expect(await readBack(here, rows[index] as BlobRow)).toBe(contents[index])
      }
    })
    const writers = Array.from({ length: 2 }, async () => {
      while (isMoving) {
        const index = pick()
        await storeBlob(here.depot, contents[index] ?? '', `k${index}`)
      }
    })
    try {
      for (const [from, to] of [
        ['a', 'b'],
        ['b', 'a'],
        ['a', 'b'],
      ] as const)
        for (const outcome of await move(here, from, to)) expect(outcome).toBe('moved')
    } finally {
      isMoving = false
      await Promise.all([...readers, ...writers])
    }
    expect(await findings(here)).toEqual([])
  })
}
