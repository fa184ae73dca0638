import path from 'node:path'

import { afterAll, describe } from 'vitest'

import { describeWith, have } from './have.ts'
import { createDatabase, type TestDatabase } from './postgres-database.ts'
import { s3OptionsOf } from './s3-store.ts'
import { createBucket, type TestBucket } from './s3.ts'
import { keepsBlobsIn } from './stored-files.ts'
import type { TempDir } from './temp-dir.ts'
import { openStorageBy, type TestStorage } from './test-storage.ts'

/** Where a depot keeps names, and where bytes. */
export interface StoragePair {
  readonly database: 'sqlite' | 'postgres'
  readonly blobs: 'fs' | 's3'
}

/** What stands before the locations of blobs. */
const PREFIX = 'some/where/'

async function openPair({ database, blobs }: StoragePair, dir: TempDir): Promise<TestStorage> {
  await using opening = new AsyncDisposableStack()
  const databaseUrl =
    database === 'sqlite' ? `sqlite://${dir.join('depot.db')}` : opening.use(await borrowDatabase()).url
  const bucket = blobs === 's3' ? opening.use(await createBucket(have.paths.s3)) : undefined
  if (bucket !== undefined) keepsBlobsIn(dir.path, { bucket, prefix: PREFIX })
  const opened = opening.move()
  return {
    options: { databaseUrl, storageType: blobs, s3: bucket && s3OptionsOf(bucket, { prefix: PREFIX }) },
    settings: { 'database-url': databaseUrl, 'storage-type': blobs, ...(bucket && s3Settings(bucket)) },
    [Symbol.asyncDispose]: () => opened.disposeAsync(),
  }
}

/** Databases that tests of this file are done with, emptied: to make one and to drop it takes longer than most tests. */
const idle: TestDatabase[] = []

/** An empty database, which the next test has when disposed. */
async function borrowDatabase(): Promise<AsyncDisposable & Pick<TestDatabase, 'url'>> {
  const database = idle.pop() ?? (await createDatabase())
  return {
    url: database.url,
    async [Symbol.asyncDispose]() {
      // Whoever has not gone yet would hold its locks.
      await database.sql`
        SELECT pg_terminate_backend(pid) FROM pg_stat_activity
        WHERE datname = current_database() AND pid <> pg_backend_pid()`
      await database.sql`DROP SCHEMA public CASCADE`
      await database.sql`CREATE SCHEMA public`
      idle.push(database)
    },
  }
}

/** Settings of a server whose blobs lie in that bucket. */
export function s3Settings({ bucket, endpoint, region, accessKeyId, secretAccessKey }: TestBucket) {
  return {
    's3-bucket': bucket,
    's3-endpoint': endpoint,
    's3-region': region,
    's3-access-key-id': accessKeyId,
    's3-secret-access-key': secretAccessKey,
    's3-force-path-style': 'true',
    's3-prefix': PREFIX,
  }
}

/**
 * The suites of whole test files (paths below `test`, without `.test.ts`) once more, with the depots that they open on another pair of stores.
 * To be called once in a test file, because the pair holds for all of it.
 */
export function describeOn(on: StoragePair, files: readonly string[]): void {
  openStorageBy((dir) => openPair(on, dir))
  const parts = [on.database, on.blobs].filter((part) => part === 'postgres' || part === 's3')
  afterAll(async () => {
    for (const database of idle.splice(0)) await database[Symbol.asyncDispose]()
  })
  describeWith(parts, `on ${on.database} and ${on.blobs}`, () => {
    for (const file of files) {
      const module = path.join(import.meta.dirname, '..', `${file}.test.ts`)
      describe(file, async () => void (await import(module)))
    }
  })
}
