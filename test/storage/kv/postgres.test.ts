import { afterAll, beforeAll } from 'vitest'

import { openPostgresKv } from '../../../storage/kv/postgres.ts'
import { describeKvStore } from '../../conformance/kv-store.ts'
import { describeWith } from '../../helpers/have.ts'
import { createDatabase, type TestDatabase } from '../../helpers/postgres-database.ts'

describeWith('postgres', 'names in PostgreSQL', () => {
  let database: TestDatabase
  beforeAll(async () => {
    database = await createDatabase()
  })
  afterAll(() => database[Symbol.asyncDispose]())

  describeKvStore('postgres', async () => {
    const { url, sql } = database
    let kv = await openPostgresKv({ url })
    return {
      kv,
      async reopen() {
        await kv[Symbol.asyncDispose]()
        kv = await openPostgresKv({ url })
        return kv
      },
      async audited() {
        const rows = await sql<{ line: string }[]>`SELECT action || ' ' || resource AS line FROM audit ORDER BY seq`
        return rows.map(({ line }) => line)
      },
      async [Symbol.asyncDispose]() {
        await kv[Symbol.asyncDispose]()
        await sql`TRUNCATE record, blob, reference, document, audit`
      },
    }
  })
})
