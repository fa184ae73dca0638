import { describe, expect, it } from 'vitest'

import type { KvStore } from '../../../../src/kv-store.ts'
import type { BatchWriter } from '../../../../storage/kv/sqlite/batch-writer.ts'
import { applyThrough, type WriteQueue } from '../../../../storage/kv/sqlite/queue.ts'
import { openSqliteKv, openSqliteWriter } from '../../../../storage/kv/sqlite/store.ts'
import { tempDir } from '../../../helpers/temp-dir.ts'

describe('stores with one writer in common', () => {
  it('see what any of them committed as soon as it is acknowledged', async () => {
    await using world = await openShared()
    const [one, two] = world.stores
    for (let round = 0; round < 50; round++) {
      const [writer, reader] = round % 2 === 0 ? [one, two] : [two, one]
      await writer.commit({ cache: 1, puts: [{ kind: 'k', key: 'a', value: `${round}`, expected: round }] })
      expect(await reader.get(1, 'k', 'a')).toMatchObject({ value: `${round}`, version: round + 1 })
    }
  })

  it('let one of several win, and tell the others what one process would', async () => {
    await using world = await openShared()
    const put = (kv: KvStore, value: string): Promise<void> =>
      kv.commit({ cache: 1, puts: [{ kind: 'k', key: 'once', value, expected: 0 }] })
    const results = await Promise.allSettled(world.stores.flatMap((kv) => [put(kv, 'a'), put(kv, 'b')]))
    expect(results.filter(({ status }) => status === 'fulfilled')).toHaveLength(1)
    for (const result of results)
      if (result.status === 'rejected')
        expect(result.reason).toMatchObject({ code: 'WRITE_CONFLICT', message: expect.stringContaining('once') })
    await expect(world.stores[0].commit({ cache: 99, puts: [{ kind: 'k', key: 'a', value: '1' }] })).rejects.toThrow(
      'FOREIGN KEY',
    )
  })

  it('say STORAGE_DOWN when the writer has gone, for what was under way and what comes', async () => {
    await using world = await openShared()
    const [kv] = world.stores
    const put = (key: string): Promise<void> => kv.commit({ cache: 1, puts: [{ kind: 'k', key, value: '1' }] })
    await put('before')
    const pending = [put('a'), put('b'), put('c')]
    world.lose()
    for (const result of await Promise.allSettled([...pending, put('later')]))
      expect(result).toMatchObject({ status: 'rejected', reason: { code: 'STORAGE_DOWN', status: 503 } })
    expect(await kv.get(1, 'k', 'before')).toBeDefined()
  })

  it('keep the audit log in one chain', async () => {
    await using world = await openShared()
    const line = (at: number) => ({
      principal: 'p',
      action: 'npm:write',
      resource: `r${at}`,
      digest: '',
      address: '',
      userAgent: '',
      credential: '',
      result: 'done' as const,
    })
    await Promise.all(
      world.stores.flatMap((kv) => Array.from({ length: 40 }, (_, at) => kv.commit({ cache: 1, audit: [line(at)] }))),
    )
    const rows = await world.stores[0].audit(0, 100)
    expect(rows.map(({ seq }) => seq)).toEqual(Array.from({ length: 80 }, (_, index) => index + 1))
  })
})

interface Shared extends AsyncDisposable {
  readonly stores: readonly [KvStore, KvStore]
  /** No batch is answered any more. */
  lose(): void
}

async function openShared(): Promise<Shared> {
  const dir = await tempDir('shared')
  const file = dir.join('depot.db')
  const queue = await openSqliteWriter({ file })
  const lost = Promise.withResolvers<never>()
  lost.promise.catch(() => {})
  const stores = [
    await openSqliteKv({ file, writer: messenger(queue, lost.promise) }),
    await openSqliteKv({ file, writer: messenger(queue, lost.promise) }),
  ] as const
  return {
    stores,
    lose: () => lost.reject(new Error('gone')),
    async [Symbol.asyncDispose]() {
      for (const kv of stores) await kv[Symbol.asyncDispose]()
      await queue[Symbol.asyncDispose]()
      await dir[Symbol.asyncDispose]()
    },
  }
}

/** What goes to the writer and back is copied, as between processes. */
function messenger(queue: WriteQueue, lost: Promise<never>): BatchWriter {
  return {
    apply: (writes) =>
      Promise.race([applyThrough(queue, structuredClone(writes)).then((all) => structuredClone(all)), lost]),
    close: async () => {},
  }
}
