import { openPostgresKv } from '../../storage/kv/postgres/store.ts'
import { openSqliteKv } from '../../storage/kv/sqlite/store.ts'
import { describeCredentialRaces } from '../conformance/credential-races.ts'
import { describeWith } from '../helpers/have.ts'
import { createDatabase } from '../helpers/postgres-database.ts'
import { tempDir } from '../helpers/temp-dir.ts'

describeCredentialRaces('SQLite', async () => {
  const dir = await tempDir('races')
  const kv = await openSqliteKv({ file: dir.join('depot.db') })
  return {
    stores: [kv, kv],
    async [Symbol.asyncDispose]() {
      await kv[Symbol.asyncDispose]()
      await dir[Symbol.asyncDispose]()
    },
  }
})

describeWith('postgres', 'credentials in PostgreSQL', () => {
  describeCredentialRaces('PostgreSQL', async () => {
    const database = await createDatabase()
    const stores = [await openPostgresKv({ url: database.url }), await openPostgresKv({ url: database.url })] as const
    return {
      stores,
      async [Symbol.asyncDispose]() {
        for (const kv of stores) await kv[Symbol.asyncDispose]()
        await database[Symbol.asyncDispose]()
      },
    }
  })
})
