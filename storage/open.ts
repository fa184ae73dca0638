import { join } from 'node:path'

import type { BlobStore } from '../src/blobs/blob-store.ts'
import { oneStore, type BlobStores } from '../src/blobs/blob-stores.ts'
import { watchRoom } from '../src/database-room.ts'
import type { Events } from '../src/events.ts'
import type { KvStore } from '../src/kv-store.ts'
import { parseDatabaseUrl } from './database-url.ts'
import type { BatchWriter } from './kv/sqlite/batch-writer.ts'
import type { SchemaRule } from './kv/migrate.ts'
import type { NewsWire } from './kv/postgres/news.ts'
import type { WriteQueue } from './kv/sqlite/queue.ts'
import type { S3Options } from './blob/s3/options.ts'
import { openStores, refuseUnknownStores, type SeveralStoresConfig, type StorePlace } from './open-stores.ts'

export interface StorageOptions {
  /** Folder of the depot; blobs lie in its `blobs`. */
  readonly storePath: string
  /** See `parseDatabaseUrl`. */
  readonly databaseUrl: string
  /** Connections to PostgreSQL at most, of all processes of this server together. */
  readonly databasePool?: number
  /** A statement of PostgreSQL that takes longer is cancelled. */
  readonly databaseTimeoutMs?: number
  readonly storageType: 'fs' | 's3' | 'memory'
  /** The bucket of `s3`. */
  readonly s3?: S3Options | undefined
  /** Several stores for blobs, in place of that one. */
  readonly stores?: SeveralStoresConfig | undefined
  /** Told when one of several stores fails, or the database has no room, and when it is back. */
  readonly events?: Events
  /** Only look at what is there: make nothing, change no table, and leave alone what another process has staged. */
  readonly existing?: boolean
  /** What becomes of a database of an older depot; when absent it is brought up to date, or refused by who only looks. */
  readonly schema?: SchemaRule
  /** Told what an operator should know about where the data lies. */
  readonly warn?: (message: string) => void
  /** Who commits to SQLite for this process. */
  readonly writer?: BatchWriter
}

/** Both stores; disposing it closes them. */
export interface Storage extends AsyncDisposable {
  readonly blobs: BlobStores
  readonly kv: KvStore
}

/**
 * Open both stores: the only place that knows drivers by name, and that loads their code when they are used.
 *
 * @throws DepotError `BAD_REQUEST` for a URL that is none of ours, `NOT_FOUND` for a database file that must be there and is not,
 * `STORAGE_DOWN` or `STORAGE_FULL` when a store cannot be opened.
 */
export async function openStorage(options: StorageOptions): Promise<Storage> {
  await using opening = new AsyncDisposableStack()
  const opened = opening.use(await openKv(options))
  const kv = options.events === undefined ? opened : watchRoom(opened, options.events)
  // Closed first: several stores ask the database how full they are.
  const blobs = opening.use(await openAllStores(options, kv))
  const both = opening.move()
  return { kv, blobs, [Symbol.asyncDispose]: () => both.disposeAsync() }
}

/** Every store for blobs there is. @throws DepotError `STORAGE_DOWN` when blobs lie in one that is not configured */
async function openAllStores(options: StorageOptions, kv: KvStore): Promise<BlobStores> {
  const { storePath, warn } = options
  const openPlace = (place: StorePlace, existing: boolean): Promise<BlobStore> =>
    place.type === 'fs'
      ? openFolder(place.path, existing)
      : openBlobs({ storePath, storageType: 's3', s3: place.s3, existing, ...(warn === undefined ? {} : { warn }) })
  if (options.stores !== undefined) return openStores({ ...options, ...options.stores, openPlace }, kv)
  await refuseUnknownStores(kv, [])
  return oneStore(await openBlobs(options))
}

async function openFolder(root: string, existing: boolean): Promise<BlobStore> {
  const { openFsBlobStore } = await import('./blob/fs/store.ts')
  return openFsBlobStore({ root, existing })
}

/** Open the database alone. @throws DepotError like `openStorage` */
export async function openKv({
  databaseUrl,
  existing = false,
  schema = existing ? 'demand' : 'migrate',
  warn,
  writer,
  ...database
}: Omit<StorageOptions, 'storePath' | 'storageType'>): Promise<KvStore> {
  const location = parseDatabaseUrl(databaseUrl)
  switch (location.driver) {
    case 'sqlite': {
      const { openSqliteKv } = await import('./kv/sqlite/store.ts')
      return openSqliteKv({
        file: location.file,
        existing,
        schema,
        ...(warn === undefined ? {} : { warn }),
        ...(writer === undefined ? {} : { writer }),
      })
    }
    case 'postgres': {
      const { openPostgresKv } = await import('./kv/postgres/store.ts')
      return openPostgresKv({
        ...postgresTarget(location.url, database),
        schema,
        ...(warn === undefined ? {} : { warn }),
      })
    }
  }
}

/**
 * Bring a database up to date that several processes are to open, or demand that it is, and open what they have to share of it: the writer of a SQLite file, and
 * nothing of PostgreSQL, which has many.
 *
 * @throws DepotError as `openStorage`
 */
export async function openShared({
  databaseUrl,
  schema,
  warn,
}: Pick<StorageOptions, 'databaseUrl' | 'schema' | 'warn'>): Promise<WriteQueue | undefined> {
  const location = parseDatabaseUrl(databaseUrl)
  switch (location.driver) {
    case 'sqlite': {
      const { openSqliteWriter } = await import('./kv/sqlite/store.ts')
      return openSqliteWriter({
        file: location.file,
        ...(schema === undefined ? {} : { schema }),
        ...(warn === undefined ? {} : { warn }),
      })
    }
    case 'postgres': {
      const { preparePostgres } = await import('./kv/postgres/store.ts')
      await preparePostgres(location.url, schema)
      return undefined
    }
  }
}

/**
 * The other servers over the same database: of PostgreSQL, for a SQLite file has one. Nothing is waited for: they are told and heard as
 * soon as they can be.
 */
export async function openNews({
  databaseUrl,
  ...database
}: Pick<StorageOptions, 'databaseUrl' | 'databasePool' | 'databaseTimeoutMs'>): Promise<NewsWire | undefined> {
  const location = parseDatabaseUrl(databaseUrl)
  if (location.driver === 'sqlite') return undefined
  const { openPostgresNews } = await import('./kv/postgres/news.ts')
  return openPostgresNews(postgresTarget(location.url, database))
}

function postgresTarget(url: string, { databasePool, databaseTimeoutMs }: Partial<StorageOptions>) {
  return {
    url,
    ...(databasePool === undefined ? {} : { poolMax: databasePool }),
    ...(databaseTimeoutMs === undefined ? {} : { statementTimeoutMs: databaseTimeoutMs }),
  }
}

/** Open one store for blobs alone. @throws DepotError like `openStorage` */
export async function openBlobs({
  storageType,
  storePath,
  s3,
  existing = false,
  warn,
}: Omit<StorageOptions, 'databaseUrl'>): Promise<BlobStore> {
  switch (storageType) {
    case 'fs': {
      return openFolder(join(storePath, 'blobs'), existing)
    }
    case 's3': {
      if (s3 === undefined) throw new Error('no bucket')
      const { openS3BlobStore } = await import('./blob/s3/store.ts')
      return openS3BlobStore({ s3, spool: join(storePath, 'tmp'), existing, ...(warn === undefined ? {} : { warn }) })
    }
    case 'memory': {
      const { openMemoryBlobStore } = await import('./blob/memory.ts')
      return openMemoryBlobStore()
    }
  }
}
