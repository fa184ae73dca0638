import { describe, expect, it } from 'vitest'

import type { BlobStore, Space } from '../../../src/blobs/blob-store.ts'
import { createDepot } from '../../../src/create-depot.ts'
import type { Depot } from '../../../src/depot.ts'
import { LIMITS } from '../../../src/limits.ts'
import { severalStores } from '../../../src/blobs/several-stores.ts'
import { openMemoryBlobStore } from '../../../storage/blob/memory.ts'
import { openStorage } from '../../../storage/open.ts'
import { storeBlob, storeEvents } from '../../helpers/several-stores.ts'
import { tempDir } from '../../helpers/temp-dir.ts'

const ROOM: Space = { freeBytes: 2 * LIMITS.storeReserveBytes, sizeBytes: 4 * LIMITS.storeReserveBytes }

/** A store that can be made to hang, as a network mount does: what asks how it is gets no answer before it is let go. */
function hangingStore() {
  const blobs = openMemoryBlobStore()
  const calls = { underWay: 0, most: 0 }
  let mount = Promise.resolve()
  let letGo = (): void => {}
  const ask = async (): Promise<void> => {
    calls.most = Math.max(calls.most, ++calls.underWay)
    await mount
    calls.underWay--
  }
  const store: BlobStore = { ...blobs, ping: ask, space: async () => (await ask(), ROOM) }
  return {
    store,
    calls,
    letGo: () => letGo(),
    hang() {
      const next = Promise.withResolvers<void>()
      mount = next.promise
      letGo = next.resolve
    },
  }
}

interface Here extends AsyncDisposable {
  readonly depot: Depot
  readonly told: string[]
}

async function depotOver(stores: Readonly<Record<string, BlobStore>>): Promise<Here> {
  const dir = await tempDir('stores')
  const { kv } = await openStorage({
    storePath: dir.path,
    storageType: 'memory',
    databaseUrl: `sqlite://${dir.join('depot.db')}`,
  })
  const told: string[] = []
  const events = storeEvents(told)
  const [first, ...others] = Object.entries(stores).map(([name, blobs]) => {
    return { name, blobs, splitPercent: 0, readOnly: false }
  })
  if (first === undefined) throw new Error('no stores')
  const blobs = await severalStores({
    stores: [first, ...others],
    unnamed: first.name,
    placement: 'in-order',
    kv,
    events,
  })
  return {
    depot: createDepot({ kv, blobs, events }),
    told,
    async [Symbol.asyncDispose]() {
      await kv[Symbol.asyncDispose]()
      await blobs[Symbol.asyncDispose]()
      await dir[Symbol.asyncDispose]()
    },
  }
}

/** The name of the store that took a new blob. */
async function placed({ depot }: Here): Promise<string> {
  return (await storeBlob(depot, `content ${Math.random()}`)).store
}

/** Half of the time that some work would take if it waited so often for a store that hangs: a busy machine has room below it. */
async function expectFewWaits(waits: number, work: () => Promise<unknown>): Promise<void> {
  const started = performance.now()
  await work()
  expect(performance.now() - started).toBeLessThan((waits * LIMITS.storeAnswerMs) / 2)
}

describe('a store that hangs', () => {
  it('holds up new blobs for a moment and no longer, is asked once, and gets blobs again when it has answered', async () => {
    const warm = hangingStore()
    await using here = await depotOver({ warm: warm.store, cold: openMemoryBlobStore() })
    warm.hang()
    await expectFewWaits(20, async () => {
      const first = await Promise.all(Array.from({ length: 20 }, () => placed(here)))
      expect(new Set(first)).toEqual(new Set(['cold']))
    })
    await expectFewWaits(20, async () => {
      for (let index = 0; index < 20; index++) expect(await placed(here)).toBe('cold')
    })
    expect([here.told, warm.calls]).toEqual([['warm STORAGE_DOWN'], { underWay: 1, most: 1 }])
    warm.letGo()
    await expect.poll(() => placed(here)).toBe('warm')
    expect([here.told, warm.calls.most]).toEqual([['warm STORAGE_DOWN', 'warm is back'], 1])
  })

  it('is not waited for by readers of what lies there, nor by those who send that again', async () => {
    const warm = hangingStore()
    await using here = await depotOver({ warm: warm.store, cold: openMemoryBlobStore() })
    const row = await storeBlob(here.depot, 'on the mount')
    expect(row.store).toBe('warm')
    warm.hang()
    // Timers count whole milliseconds, and may come one early.
    await new Promise((resolve) => setTimeout(resolve, LIMITS.storeSpaceSharedMs + 10))
    await placed(here)
    await expect(here.depot.open(row)).rejects.toMatchObject({ code: 'STORAGE_DOWN' })
    expect((await storeBlob(here.depot, 'on the mount')).store).toBe('cold')
    warm.letGo()
  })

  it('and is the only one is told of, rather than waited for', async () => {
    const warm = hangingStore()
    await using here = await depotOver({ warm: warm.store })
    warm.hang()
    for (let index = 0; index < 2; index++)
      await expect(placed(here)).rejects.toThrow("the store 'warm' does not answer: does its mount hang?")
    expect(warm.calls.most).toBe(1)
    warm.letGo()
    await expect.poll(() => placed(here).catch(() => 'not yet')).toBe('warm')
  })
})
