import { join } from 'node:path'

import type { BlobStore } from '../src/blob-store.ts'
import type { KvStore } from '../src/kv-store.ts'
import { parseDatabaseUrl } from './database-url.ts'
import type { BatchWriter } from './kv/batch-writer.ts'
import type { WriteQueue } from './kv/sqlite-queue.ts'

export interface StorageOptions {
  /** Folder of the depot; blobs lie in its `blobs`. */
  readonly storePath: string
  /** See `parseDatabaseUrl`. */
  readonly databaseUrl: string
  readonly storageType: 'fs' | 'memory'
  /** Only look at what is there: make nothing, and leave alone what another process has staged. */
  readonly existing?: boolean
  /** Told what an operator should know about where the data lies. */
  readonly warn?: (message: string) => void
  /** Who commits to SQLite for this process. */
  readonly writer?: BatchWriter
}

export interface Storage {
  readonly blobs: BlobStore
  readonly kv: KvStore
}

/**
 * Open both stores: the only place that knows drivers by name, and that loads their code when they are used.
 *
 * @throws DepotError `BAD_REQUEST` for a URL that is none of ours, `NOT_FOUND` for a database file that must be there and is not,
 * `STORAGE_DOWN` or `STORAGE_FULL` when a store cannot be opened.
 */
export async function openStorage(options: StorageOptions): Promise<Storage> {
  const kv = await openKv(options)
  try {
    return { kv, blobs: await openBlobs(options) }
  } catch (error) {
    await kv[Symbol.asyncDispose]()
    throw error
  }
}

/** Open the database alone. @throws DepotError like `openStorage` */
export async function openKv({
  databaseUrl,
  existing = false,
  warn,
  writer,
}: Omit<StorageOptions, 'storePath' | 'storageType'>): Promise<KvStore> {
  const location = parseDatabaseUrl(databaseUrl)
  switch (location.driver) {
    case 'sqlite': {
      const { openSqliteKv } = await import('./kv/sqlite.ts')
      return openSqliteKv({
        file: location.file,
        existing,
        ...(warn === undefined ? {} : { warn }),
        ...(writer === undefined ? {} : { writer }),
      })
    }
    case 'postgres': {
      const { openPostgresKv } = await import('./kv/postgres.ts')
      return openPostgresKv({ url: location.url })
    }
  }
}

/**
 * Open what several processes over one database have to share: the writer of a SQLite file, and nothing for PostgreSQL, which has many.
 *
 * @throws DepotError as `openStorage`
 */
export async function openSharedWriter({
  databaseUrl,
  warn,
}: Pick<StorageOptions, 'databaseUrl' | 'warn'>): Promise<WriteQueue | undefined> {
  const location = parseDatabaseUrl(databaseUrl)
  if (location.driver !== 'sqlite') return undefined
  const { openSqliteWriter } = await import('./kv/sqlite.ts')
  return openSqliteWriter({ file: location.file, ...(warn === undefined ? {} : { warn }) })
}

async function openBlobs({ storageType, storePath, existing = false }: StorageOptions): Promise<BlobStore> {
  switch (storageType) {
    case 'fs': {
      const { openFsBlobStore } = await import('./blob/fs.ts')
      return openFsBlobStore({ root: join(storePath, 'blobs'), existing })
    }
    case 'memory': {
      const { openMemoryBlobStore } = await import('./blob/memory.ts')
      return openMemoryBlobStore()
    }
  }
}
