import Database from 'better-sqlite3'

import type { KvStore } from '../../../../src/kv-store.ts'
import { openSqliteKv } from '../../../../storage/kv/sqlite/store.ts'
import { describeKvStore } from '../../../conformance/kv-store.ts'
import { tempDir } from '../../../helpers/temp-dir.ts'

describeKvStore('sqlite', async () => {
  const dir = await tempDir('sqlite')
  const file = dir.join('depot.db')
  let kv = await openSqliteKv({ file })
  let other: KvStore | undefined
  return {
    kv,
    async reopen() {
      await kv[Symbol.asyncDispose]()
      kv = await openSqliteKv({ file })
      return kv
    },
    async another() {
      other = await openSqliteKv({ file })
      return other
    },
    async execute(statement) {
      run(file, statement)
    },
    async tamper(statement) {
      run(file, `${TRIGGERS.map((name) => `DROP TRIGGER IF EXISTS ${name}`).join(';')};${statement}`)
    },
    async [Symbol.asyncDispose]() {
      await other?.[Symbol.asyncDispose]()
      await kv[Symbol.asyncDispose]()
      await dir[Symbol.asyncDispose]()
    },
  }
})

const TRIGGERS = ['audit_is_never_changed', 'audit_is_never_removed', 'audit_is_never_replaced']

function run(file: string, statements: string): void {
  const database = new Database(file)
  try {
    database.exec(statements)
  } finally {
    database.close()
  }
}
