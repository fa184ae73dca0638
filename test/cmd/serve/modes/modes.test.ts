import Database from 'better-sqlite3'

import { readMigrations } from '../../../../storage/kv/migrate.ts'
import { openPool } from '../../../../storage/kv/postgres/pool.ts'
import { migratePostgres } from '../../../../storage/kv/postgres/migrate.ts'
import { migrateSqlite } from '../../../../storage/kv/sqlite/migrate.ts'
import { describeModes } from '../../../conformance/modes.ts'
import { describeWith } from '../../../helpers/have.ts'
import { createDatabase } from '../../../helpers/postgres-database.ts'
import { tempDir } from '../../../helpers/temp-dir.ts'

const NEWER = "ALTER TABLE blob ADD COLUMN newer TEXT NOT NULL DEFAULT ''"

describeModes('SQLite', async () => {
  const dir = await tempDir('modes-sqlite')
  const file = dir.join('depot.db')
  function use<T>(body: (database: Database.Database) => T): T {
    const database = new Database(file)
    try {
      database.pragma('journal_mode = wal')
      return body(database)
    } finally {
      database.close()
    }
  }
  return {
    url: `sqlite://${file}`,
    makeOld: async () => use((database) => migrateSqlite(database, readMigrations('sqlite').slice(0, 1))),
    makeNewer: async () =>
      use((database) => void database.exec(`${NEWER}; INSERT INTO migration VALUES ('9999-newer', unixepoch())`)),
    tables: async () => use((database) => database.prepare<[], string>('SELECT name FROM sqlite_master').pluck().all()),
    [Symbol.asyncDispose]: () => dir[Symbol.asyncDispose](),
  }
})

describeWith('postgres', 'modes with a PostgreSQL', () => {
  describeModes('PostgreSQL', async () => {
    const { url, sql, [Symbol.asyncDispose]: dispose } = await createDatabase()
    return {
      url,
      async makeOld() {
        await using pool = openPool({ url, poolMax: 1 })
        await pool.use((client) => migratePostgres(client, readMigrations('postgres').slice(0, 1)))
      },
      async makeNewer() {
        await sql.unsafe(`${NEWER}; INSERT INTO migration (name) VALUES ('9999-newer')`)
      },
      async tables() {
        const rows = await sql`SELECT table_name || '.' || column_name AS name FROM information_schema.columns
          WHERE table_schema = 'public' ORDER BY 1`
        return rows.map((row) => String(row['name']))
      },
      [Symbol.asyncDispose]: dispose,
    }
  })
})
