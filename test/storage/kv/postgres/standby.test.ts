import { expect, it } from 'vitest'

import type { KvStore } from '../../../../src/kv-store.ts'
import { openPostgresKv } from '../../../../storage/kv/postgres/store.ts'
import { describeWith } from '../../../helpers/have.ts'
import { startOwnPostgres } from '../../../helpers/own-postgres.ts'
import { administer, createDatabase } from '../../../helpers/postgres-database.ts'

const DOWN = { code: 'STORAGE_DOWN' }
const TIME = { timeout: 60_000 }

describeWith('postgres', 'a connection that may only read', () => {
  it('is not kept: what refused changes for a while takes them at once afterwards', async () => {
    await using database = await createDatabase()
    await using kv = await openPostgresKv({ url: database.url })
    const name = new URL(database.url).pathname.slice(1)
    const putSome = () => Promise.allSettled(['a', 'b', 'c'].map((key) => put(kv, key)))
    await putSome()
    await administer(`ALTER DATABASE ${name} SET default_transaction_read_only = on`)
    await database.sql`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = ${name} AND pid <> pg_backend_pid()`
    await expect.poll(async () => (await putSome()).every(({ status }) => status === 'rejected')).toBe(true)
    await administer(`ALTER DATABASE ${name} RESET default_transaction_read_only`)
    expect((await putSome()).map(({ status }) => status)).toEqual(['fulfilled', 'fulfilled', 'fulfilled'])
  })

  it('is none when it leads to a standby, for reads neither, which it may answer with what is old', TIME, async () => {
    await using server = await startOwnPostgres()
    await using kv = await openPostgresKv({ url: server.url })
    await put(kv, 'before')
    await server.follow()
    await expect(kv.ping()).rejects.toMatchObject(DOWN)
    await expect(kv.get(1, 'k', 'before')).rejects.toMatchObject(DOWN)
    await expect(put(kv, 'lost')).rejects.toMatchObject(DOWN)
    await expect(openPostgresKv({ url: server.url })).rejects.toThrow('is a standby')
    await server.lead()
    await put(kv, 'after')
    expect(await kv.get(1, 'k', 'before')).toMatchObject({ version: 1 })
    await kv.ping()
  })
})

async function put(kv: KvStore, key: string): Promise<void> {
  await kv.commit({ cache: 1, puts: [{ kind: 'k', key, value: '1' }] })
}
