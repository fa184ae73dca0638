import { afterAll, beforeAll } from 'vitest'

import type { KvStore } from '../../../../src/kv-store.ts'
import { openPostgresKv } from '../../../../storage/kv/postgres/store.ts'
import { describeKvStore } from '../../../conformance/kv-store.ts'
import { describeWith } from '../../../helpers/have.ts'
import { createDatabase, type TestDatabase } from '../../../helpers/postgres-database.ts'

describeWith('postgres', 'names in PostgreSQL', () => {
  let database: TestDatabase
  beforeAll(async () => {
    database = await createDatabase()
  })
  afterAll(() => database[Symbol.asyncDispose]())

  describeKvStore('postgres', async () => {
    const { url, sql } = database
    let kv = await openPostgresKv({ url })
    let other: KvStore | undefined
    return {
      kv,
      async reopen() {
        await kv[Symbol.asyncDispose]()
        kv = await openPostgresKv({ url })
        return kv
      },
      async another() {
        other = await openPostgresKv({ url })
        return other
      },
      async execute(statement) {
        await sql.unsafe(statement)
      },
      tamper: (statement) => tamper(database, statement),
      async [Symbol.asyncDispose]() {
        await other?.[Symbol.asyncDispose]()
        await kv[Symbol.asyncDispose]()
        await tamper(database, 'TRUNCATE record, blob, reference, document, audit')
      },
    }
  })
})

async function tamper({ sql }: TestDatabase, statement: string): Promise<void> {
  await sql.unsafe(`ALTER TABLE audit DISABLE TRIGGER USER; ${statement}; ALTER TABLE audit ENABLE TRIGGER USER`)
}
