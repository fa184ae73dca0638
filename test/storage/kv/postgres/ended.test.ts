import { expect, it } from 'vitest'

import { openPostgresKv } from '../../../../storage/kv/postgres/store.ts'
import { startWireProxy } from '../../../faults/wire-proxy.ts'
import { describeWith } from '../../../helpers/have.ts'
import { createDatabase } from '../../../helpers/postgres-database.ts'

describeWith('postgres', 'connections to PostgreSQL that broke', () => {
  it('leave none behind when the database is closed, whatever waited for them', { timeout: 20_000 }, async () => {
    await using database = await createDatabase()
    await using proxy = await startWireProxy(database.url)
    const { pathname, username } = new URL(database.url)
    const url = `postgres://${username}@${proxy.host}:${proxy.port}${pathname}`
    {
      await using kv = await openPostgresKv({ url, poolMax: 2 })
      const reading = () => Promise.allSettled(Array.from({ length: 20 }, () => kv.blobs(undefined, 1)))
      for (let outage = 0; outage < 5; outage++) {
        proxy.faults.refusing = true
        proxy.resetAll()
        const read = reading()
        await new Promise((resolve) => setTimeout(resolve, 200))
        delete proxy.faults.refusing
        expect((await read).filter(({ status }) => status === 'rejected')).toEqual([])
      }
    }
    await expect.poll(() => proxy.open()).toBe(0)
  })
})
