import Database from 'better-sqlite3'

import { openSqliteKv } from '../../../storage/kv/sqlite.ts'
import { describeKvStore } from '../../conformance/kv-store.ts'
import { tempDir } from '../../helpers/temp-dir.ts'

describeKvStore('sqlite', async () => {
  const dir = await tempDir('sqlite')
  const file = dir.join('depot.db')
  let kv = await openSqliteKv({ file })
  return {
    kv,
    async reopen() {
      await kv[Symbol.asyncDispose]()
      kv = await openSqliteKv({ file })
      return kv
    },
    async audited() {
      const database = new Database(file, { readonly: true })
      const rows = database
        .prepare<[], string>("SELECT action || ' ' || resource FROM audit ORDER BY seq")
        .pluck()
        .all()
      database.close()
      return rows
    },
    async [Symbol.asyncDispose]() {
      await kv[Symbol.asyncDispose]()
      await dir[Symbol.asyncDispose]()
    },
  }
})
