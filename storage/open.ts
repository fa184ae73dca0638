import { join } from 'node:path'

import type { BlobStore } from '../src/blob-store.ts'
import type { KvStore } from '../src/kv-store.ts'
import { parseDatabaseUrl } from './database-url.ts'

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
}: Omit<StorageOptions, 'storePath' | 'storageType'>): Promise<KvStore> {
  const location = parseDatabaseUrl(databaseUrl)
  switch (location.driver) {
    case 'sqlite': {
      const { openSqliteKv } = await import('./kv/sqlite.ts')
      return openSqliteKv({ file: location.file, existing, ...(warn === undefined ? {} : { warn }) })
    }
    case 'postgres': {
      const { openPostgresKv } = await import('./kv/postgres.ts')
      return openPostgresKv({ url: location.url })
    }
  }
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
