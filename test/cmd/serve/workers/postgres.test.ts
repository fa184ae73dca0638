import { afterAll } from 'vitest'

import { describeWorkerAgreement } from '../../../conformance/worker-agreement.ts'
import { describeWorkerCredentials } from '../../../conformance/worker-credentials.ts'
import { describeWith } from '../../../helpers/have.ts'
import { createDatabase, type TestDatabase } from '../../../helpers/postgres-database.ts'

describeWith('postgres', 'several workers with a database elsewhere', () => {
  const databases: TestDatabase[] = []
  afterAll(async () => {
    for (const database of databases) await database[Symbol.asyncDispose]()
  })
  async function args(): Promise<readonly string[]> {
    const database = await createDatabase()
    databases.push(database)
    return ['--database-url', database.url]
  }
  describeWorkerAgreement('PostgreSQL', args)
  describeWorkerCredentials('PostgreSQL', args)
})
