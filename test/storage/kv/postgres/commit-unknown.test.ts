import { once } from 'node:events'
import { connect, createServer, type Socket } from 'node:net'

import postgres from 'postgres'
import { expect, it } from 'vitest'

import { A, auditEntry, auditLog, blob } from '../../../conformance/kv-samples.ts'
import { openPostgresKv } from '../../../../storage/kv/postgres/store.ts'
import { describeWith } from '../../../helpers/have.ts'
import { startOwnPostgres } from '../../../helpers/own-postgres.ts'
import { createDatabase } from '../../../helpers/postgres-database.ts'

describeWith('postgres', 'a change whose connection breaks at its COMMIT', () => {
  it.each([
    ['has arrived, and its answer has not', 'after'],
    ['has not arrived', 'before'],
  ] as const)('is made once when that %s', async (_, when) => {
    await using database = await createDatabase()
    await using proxy = await cuttingProxy(database.url, when)
    await using kv = await openPostgresKv({ url: proxy.url, poolMax: 3 })
    proxy.arm()
    const put = { kind: 'k', key: 'once', value: '1', expected: 0 }
    await kv.commit({ cache: 1, puts: [put], audit: [auditEntry('once')] })
    expect(proxy.cuts()).toBe(1)
    expect(await kv.get(1, 'k', 'once')).toMatchObject({ version: 1 })
    expect(await auditLog(kv)).toHaveLength(1)
  })

  it('is made once when it moves a blob, and is no conflict with itself', async () => {
    await using database = await createDatabase()
    await using before = await openPostgresKv({ url: database.url })
    await before.commit({ cache: 1, blobs: [blob(A)] })
    await using proxy = await cuttingProxy(database.url, 'after')
    await using kv = await openPostgresKv({ url: proxy.url, poolMax: 3 })
    proxy.arm()
    await kv.moveBlob(blob(A), 'warm')
    expect(proxy.cuts()).toBe(1)
    expect(await kv.blob('main', A)).toMatchObject({ store: 'warm' })
  })

  it('is not taken for another one that got its number after a crash', { timeout: 120_000 }, async () => {
    await using database = await startOwnPostgres({ wal_writer_delay: '10s' })
    await using proxy = await cuttingProxy(database.url, 'before')
    await using kv = await openPostgresKv({ url: proxy.url, poolMax: 3 })
    proxy.arm('for ever')
    const commit = { cache: 1, puts: [{ kind: 'k', key: 'k', value: '1', expected: 0 }], audit: [auditEntry('k')] }
    const outcome = kv.commit(commit).then(
      () => 'acknowledged',
      () => 'refused',
    )
    await expect.poll(proxy.cuts).toBe(1)
    await database.crash()
    await using others = connection(database.url)
    await others.sql`CREATE TABLE others AS SELECT 1`
    for (let count = 0; count < 20; count++) await others.sql`INSERT INTO others VALUES (1)`
    proxy.open()
    const acknowledged = (await outcome) === 'acknowledged'
    const made = await others.sql`SELECT 1 FROM record WHERE kind = 'k' AND key = 'k'`
    expect(made).toHaveLength(acknowledged ? 1 : 0)
    expect(await others.sql`SELECT 1 FROM audit`).toHaveLength(acknowledged ? 1 : 0)
  })

  it('is answered as not known when nobody can be asked what became of it', async () => {
    await using database = await createDatabase()
    await using proxy = await cuttingProxy(database.url, 'after')
    await using kv = await openPostgresKv({ url: proxy.url, poolMax: 3 })
    proxy.arm('for ever')
    const committing = kv.commit({ cache: 1, puts: [{ kind: 'k', key: 'k', value: '1', expected: 0 }] })
    await expect(committing).rejects.toMatchObject({
      code: 'STORAGE_DOWN',
      message: expect.stringContaining('before it said whether the change was made') as unknown,
    })
  })
})

/** As it stands in a message that has it prepared; the first one of a connection does. */
const COMMIT = '\0commit\0'

/** Passes everything on until a COMMIT comes after it was armed, and cuts that connection. */
async function cuttingProxy(target: string, when: 'before' | 'after') {
  const { hostname, port } = new URL(target)
  let armed: 'once' | 'for ever' | undefined
  let cuts = 0
  const all = new Set<Socket>()
  let isGone = false
  const server = createServer((client) => {
    if (isGone) return void client.destroy()
    const inner = connect(Number(port), hostname)
    all.add(client)
    client.on('error', () => inner.destroy())
    inner.on('error', () => client.destroy())
    inner.on('close', () => client.destroy())
    client.on('close', () => inner.end())
    inner.on('data', (bytes) => client.write(bytes))
    client.on('data', (bytes) => {
      if (armed === undefined || !bytes.includes(COMMIT)) return void inner.write(bytes)
      cuts++
      isGone = armed === 'for ever'
      if (isGone) for (const other of all) if (other !== client) other.destroy()
      armed = undefined
      inner.removeAllListeners('data')
      // The server does not hear of it before it has crashed: what it would note then brings the number to the disk.
      if (isGone) client.removeAllListeners('close')
      if (when === 'before') return void client.destroy()
      // What it answers shows that it has it.
      inner.once('data', () => client.destroy())
      inner.write(bytes)
    })
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  const url = new URL(target)
  url.port = String(address !== null && typeof address === 'object' ? address.port : 0)
  return {
    url: url.href,
    cuts: () => cuts,
    open: () => (isGone = false),
    arm: (how: 'once' | 'for ever' = 'once') => (armed = how),
    async [Symbol.asyncDispose]() {
      server.close()
    },
  }
}

function connection(url: string) {
  const sql = postgres(url, { max: 1, onnotice: () => {} })
  return { sql, [Symbol.asyncDispose]: () => sql.end() }
}
