import { once } from 'node:events'
import { createServer } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'

import { afterAll, beforeAll, expect, it } from 'vitest'

import type { KvStore } from '../../../../src/kv-store.ts'
import { LIMITS } from '../../../../src/limits.ts'
import { readMigrations } from '../../../../storage/kv/migrate.ts'
import { openPool } from '../../../../storage/kv/postgres/pool.ts'
import { openPostgresKv } from '../../../../storage/kv/postgres/store.ts'
import { describeWith, have } from '../../../helpers/have.ts'
import { administer, createDatabase, type TestDatabase } from '../../../helpers/postgres-database.ts'

const PASSWORD = 'p@:/?# %41ß'

describeWith('postgres', 'a server that starts on PostgreSQL', () => {
  let database: TestDatabase
  let role: string
  beforeAll(async () => {
    database = await createDatabase()
    role = `role_${crypto.randomUUID().replaceAll('-', '')}`
    await administer(`CREATE ROLE ${role} LOGIN PASSWORD '${PASSWORD}'`)
  })
  afterAll(async () => {
    await database.sql.unsafe(`DROP OWNED BY ${role}`)
    await database[Symbol.asyncDispose]()
    await administer(`DROP ROLE ${role}`)
  })

  /** What it says when it cannot start: one line. */
  async function refusal(change: (url: URL) => void): Promise<string> {
    const url = new URL(database.url)
    change(url)
    const error = await openPostgresKv({ url: url.href }).then(
      () => new Error('it started'),
      (reason: Error) => reason,
    )
    expect(error).toMatchObject({ code: 'STORAGE_DOWN' })
    expect(error.message).not.toContain('\n')
    expect(error.message).not.toContain('hunter2')
    return error.message
  }

  it('says that there is no such database, and how it is made', async () => {
    expect(await refusal((url) => (url.pathname = '/nowhere'))).toMatch(/has no database "nowhere": make it \(createdb/)
  })

  it('says that there is no such user', async () => {
    expect(await refusal((url) => (url.username = 'nobody'))).toMatch(/does not let user "nobody" in/)
  })

  it('says that nobody listens, and where it looked', async () => {
    const server = createServer().listen(0, '127.0.0.1')
    await once(server, 'listening')
    const address = server.address()
    const port = address !== null && typeof address === 'object' ? address.port : 0
    await new Promise((resolve) => server.close(resolve))
    expect(await refusal((url) => (url.port = String(port)))).toContain(
      `cannot be reached at 127.0.0.1:${port} (ECONNREFUSED): is it running, and are host and port of --database-url right?`,
    )
    expect(await refusal((url) => (url.search = '?host=/nowhere'))).toContain('/nowhere/.s.PGSQL.')
  })

  it('says that nothing answers there within the time that the URL gives', async () => {
    const silent = createServer(() => {}).listen(0, '127.0.0.1')
    await once(silent, 'listening')
    const address = silent.address()
    const port = address !== null && typeof address === 'object' ? address.port : 0
    try {
      const text = await refusal((url) => {
        url.port = String(port)
        url.search = '?connect_timeout=1'
        url.password = 'hunter2'
      })
      expect(text).toContain('nothing answers at 127.0.0.1')
    } finally {
      silent.close()
    }
  })

  it('says that the server does not encrypt when the URL wants that', async () => {
    expect(await refusal((url) => (url.search = '?sslmode=require'))).toContain('sslmode=require')
  })

  it('says which rights a user lacks, and needs none to change tables that are up to date', async () => {
    const as = (url: URL): void => void (url.username = role)
    expect(await refusal(as)).toMatch(
      /has not the rights .*permission denied for schema public.* GRANT CREATE ON SCHEMA public TO /,
    )
    await using _first = await openPostgresKv({ url: database.url })
    expect(await refusal(as)).toMatch(
      /has not the rights .*permission denied for table.* GRANT SELECT, INSERT, UPDATE, DELETE /,
    )
    await database.sql.unsafe(`GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO ${role}`)
    const url = new URL(database.url)
    as(url)
    await using second = await openPostgresKv({ url: url.href })
    await second.commit({ cache: 1, puts: [{ kind: 'k', key: 'by somebody who owns nothing', value: '1' }] })
  })

  it('says that the user may change nothing', async () => {
    await administer(`ALTER ROLE ${role} SET default_transaction_read_only = on`)
    try {
      expect(await refusal((url) => (url.username = role))).toMatch(/lets this user change nothing/)
    } finally {
      await administer(`ALTER ROLE ${role} RESET default_transaction_read_only`)
    }
  })

  it('says that a newer version was here', async () => {
    await using own = await createDatabase()
    await (await openPostgresKv({ url: own.url }))[Symbol.asyncDispose]()
    await own.sql`INSERT INTO migration (name) VALUES ('9999-later')`
    await expect(openPostgresKv({ url: own.url })).rejects.toThrow(/changed by a newer depot \(9999-later\): run that/)
  })

  it('begins again where one was killed that brought the tables up to date', async () => {
    await using own = await createDatabase()
    const [first] = readMigrations('postgres')
    const sleeping = own.sql`
      datname = current_database() AND query LIKE '%pg_sleep(60)%' AND pid <> pg_backend_pid()`
    await using killed = openPool({ url: own.url, poolMax: 1 })
    const half = killed.use((client) =>
      client.begin(async (sql) => {
        await sql`SELECT pg_advisory_xact_lock(${0x6465706f})`
        await sql.unsafe(first?.sql ?? '')
        await sql`SELECT pg_sleep(60)`
      }),
    )
    // It may hear of its end before we hear that it was told.
    half.catch(() => {})
    await expect.poll(() => own.sql`SELECT 1 FROM pg_stat_activity WHERE ${sleeping}`).toHaveLength(1)
    const opening = openPostgresKv({ url: own.url })
    await own.sql`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE ${sleeping}`
    await expect(half).rejects.toMatchObject({ code: 'STORAGE_DOWN' })
    await using kv = await opening
    expect(await kv.cache('main')).toMatchObject({ id: 1 })
  })

  it('takes as long as it needs to bring the tables up to date, whatever one statement may take', async () => {
    await using own = await createDatabase()
    const statementTimeoutMs = 500
    let opening: Promise<KvStore> | undefined
    await own.sql.begin(async (sql) => {
      // As if another server were at it.
      await sql`SELECT pg_advisory_xact_lock(${0x6465706f})`
      opening = openPostgresKv({ url: own.url, statementTimeoutMs })
      opening.catch(() => {})
      await sleep(statementTimeoutMs + LIMITS.databaseBusyTimeoutMs + 2000)
    })
    await using kv = await opening
    expect(await kv?.cache('main')).toMatchObject({ id: 1 })
  })

  it('comes up beside nine others on an empty database', async () => {
    await using own = await createDatabase()
    const all = await Promise.all(Array.from({ length: 10 }, () => openPostgresKv({ url: own.url, poolMax: 2 })))
    for (const kv of all) expect(await kv.cache('main')).toMatchObject({ id: 1 })
    for (const kv of all) await kv[Symbol.asyncDispose]()
    const applied = await own.sql`SELECT name FROM migration ORDER BY name`
    expect(applied.map(({ name }) => String(name))).toEqual(readMigrations('postgres').map(({ name }) => name))
  })

  it('uses as many connections as it was told, and shows the name and the time limit that it was given', async () => {
    await using own = await createDatabase()
    const url = `${own.url}?application_name=my%20depot`
    await using kv = await openPostgresKv({ url, poolMax: 2, statementTimeoutMs: 1234 })
    await Promise.all(Array.from({ length: 20 }, (_, at) => kv.get(1, 'k', String(at))))
    const used = await own.sql`SELECT 1 FROM pg_stat_activity WHERE application_name = 'my depot'`
    expect(used.length).toBeGreaterThan(0)
    expect(used.length).toBeLessThanOrEqual(2)
    await using pool = openPool({ url, poolMax: 1, statementTimeoutMs: 1234 })
    const rows = await pool.use((client) => client`SHOW statement_timeout`)
    expect(rows).toEqual([{ statement_timeout: '1234ms' }])
  })

  it('is reached through the socket of the server, as psql would be', async () => {
    const [row] = await database.sql`SELECT current_setting('unix_socket_directories') AS folder`
    const folder = String(row?.['folder'])
    const { port, username, pathname } = new URL(database.url)
    for (const url of [
      `postgres:///${pathname.slice(1)}?host=${folder}&port=${port}&user=${username}`,
      `postgresql://${username}@${encodeURIComponent(folder)}:${port}${pathname}`,
    ]) {
      await using kv = await openPostgresKv({ url })
      await kv.ping()
    }
  })
})

describeWith('postgres', 'a PostgreSQL that asks for passwords', () => {
  it('is given the one of the URL, whatever is in it, and a wrong one is told from a wrong user', async () => {
    await using own = await createDatabase()
    const role = `role_${crypto.randomUUID().replaceAll('-', '')}`
    await administer(`CREATE ROLE ${role} LOGIN SUPERUSER PASSWORD '${PASSWORD}'`)
    try {
      await demandPasswords(role, async () => {
        const url = new URL(own.url)
        url.username = role
        await using kv = await openPostgresKv({ url: `${url.href}?password=${encodeURIComponent(PASSWORD)}` })
        await kv.ping()
        url.password = encodeURIComponent(PASSWORD)
        await using again = await openPostgresKv({ url: url.href })
        await again.ping()
        url.password = 'hunter2'
        await expect(openPostgresKv({ url: url.href })).rejects.toThrow(
          new RegExp(`does not take the password of user "${role}": see --database-url, PGPASSWORD or ~/.pgpass`),
        )
        await expect(openPostgresKv({ url: url.href })).rejects.not.toThrow('hunter2')
      })
    } finally {
      await own.sql.unsafe(`DROP OWNED BY ${role} CASCADE`)
      await administer(`DROP ROLE ${role}`)
    }
  })
})

/** When the server read its settings last: a connection has this from its beginning on. */
async function loadedAt(): Promise<string> {
  const { default: postgres } = await import('postgres')
  const sql = postgres(have.paths.postgres, { max: 1 })
  try {
    const [row] = await sql`SELECT pg_conf_load_time()::text AS at`
    return String(row?.['at'])
  } finally {
    await sql.end()
  }
}

/** Have this user show a password while `body` runs, and others none. */
async function demandPasswords(role: string, body: () => Promise<void>): Promise<void> {
  const { readFile, writeFile } = await import('node:fs/promises')
  const { default: postgres } = await import('postgres')
  await using sql = Object.assign(postgres(have.paths.postgres, { max: 1 }), {
    [Symbol.asyncDispose]: async () => {
      await sql.end()
    },
  })
  const [row] = await sql`SELECT current_setting('hba_file') AS file`
  const file = String(row?.['file'])
  const before = await readFile(file, 'utf8')
  const loaded = await loadedAt()
  await writeFile(file, `host all ${role} 127.0.0.1/32 scram-sha-256\n${before}`)
  try {
    await sql`SELECT pg_reload_conf()`
    await expect.poll(loadedAt).not.toBe(loaded)
    await body()
  } finally {
    await writeFile(file, before)
    await sql`SELECT pg_reload_conf()`
  }
}
