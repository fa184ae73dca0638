import type { Database } from 'better-sqlite3'
import type * as SqliteDriver from 'drizzle-orm/better-sqlite3'

import { prefixEnd } from '../../../src/key-prefix.ts'
import { SYSTEM_CACHE, type BlobRow } from '../../../src/kv-store.ts'
import { checkKeyCount, checkPageLimit, pageStart } from '../checks.ts'
import { loadDrizzle, orm } from '../drizzle.ts'
import type { ReadsAtOnce } from '../reads.ts'
import { auditTable, blobTable, cacheTable, recordTable, referenceTable } from './schema.ts'
import { documents } from './documents.ts'
import { translatedSqlite } from '../../sqlite-errors.ts'
import type { SharedTurn } from './turn.ts'

const { and, asc, desc, eq, gt, gte, lt, ne, sql } = orm
const { drizzle } = loadDrizzle('drizzle-orm/better-sqlite3') as typeof SqliteDriver
const at = sql.placeholder

/** Reads over one connection; every query is prepared once, here. The hot ones tell `turn` before they begin. */
export function sqliteReader(connection: Database, turn: Pick<SharedTurn, 'beforeRead'>): ReadsAtOnce {
  const queries = prepareQueries(connection)
  const blobOf = blobOfQuery(connection)
  const record = recordQuery(connection)
  const present = presentQuery(connection)
  const hot = <T>(read: () => T): T =>
    translatedSqlite(() => {
      turn.beforeRead()
      return read()
    })
  return {
    document: documents(connection, hot),
    cache: (name) => translatedSqlite(() => queries.cache.get({ name })),
    get: (cache, kind, key) => hot(() => record(cache, kind, key)),
    present(cache, kind, keys) {
      checkKeyCount(keys)
      return translatedSqlite(() => present.all(JSON.stringify(keys), cache, kind))
    },
    list(cache, kind, options) {
      const { start, inclusive } = pageStart(options)
      const query = queries.list(inclusive, options.to !== undefined)
      return translatedSqlite(() => query.all({ cache, kind, start, to: options.to, limit: options.limit }))
    },
    blobOf: (cache, kindPrefix, digest) => hot(() => blobOf(cache, kindPrefix, digest)),
    holders(cache, kindPrefix, digest, limit) {
      checkPageLimit(limit)
      const bounds = { kindPrefix, kindEnd: prefixEnd(kindPrefix) }
      return translatedSqlite(() => queries.holders.all({ cache, ...bounds, digest, limit }))
    },
    blob: (domain, digest) => translatedSqlite(() => queries.blob.get({ domain, digest })),
    blobs(after = { domain: '', digest: '' }, limit) {
      checkPageLimit(limit)
      return translatedSqlite(() => queries.blobs.all({ ...after, limit }))
    },
    blobPlaces(after = { domain: '', digest: '' }, limit) {
      checkPageLimit(limit)
      return translatedSqlite(() => queries.blobPlaces.all({ ...after, limit }))
    },
    storesNamed: () => translatedSqlite(() => queries.storesNamed.all()),
    references(after = { cache: 0, kind: '', key: '', domain: '', digest: '' }, limit) {
      checkPageLimit(limit)
      return translatedSqlite(() => queries.references.all({ ...after, limit }))
    },
    audit(after, limit) {
      checkPageLimit(limit)
      return translatedSqlite(() => queries.audit.all({ after, limit }))
    },
    auditHead: () => translatedSqlite(() => queries.auditHead.get()?.seq ?? 0),
  }
}

function prepareQueries(connection: Database) {
  const db = drizzle(connection)
  const { key, value, version } = recordTable
  const { domain, digest, store, storedBytes } = blobTable
  const inKind = [eq(recordTable.cache, at('cache')), eq(recordTable.kind, at('kind'))]
  const list = (inclusive: boolean, bounded: boolean) =>
    db
      .select({ key, value, version })
      .from(recordTable)
      .where(and(...inKind, (inclusive ? gte : gt)(key, at('start')), bounded ? lt(key, at('to')) : undefined))
      .orderBy(asc(key))
      .limit(at('limit'))
      .prepare()
  const lists = [list(false, false), list(false, true), list(true, false), list(true, true)] as const
  return {
    cache: db
      .select()
      .from(cacheTable)
      .where(and(eq(cacheTable.name, at('name')), ne(cacheTable.id, SYSTEM_CACHE.id)))
      .prepare(),
    list: (inclusive: boolean, bounded: boolean) => (inclusive ? lists[bounded ? 3 : 2] : lists[bounded ? 1 : 0]),
    blob: db
      .select()
      .from(blobTable)
      .where(and(eq(blobTable.domain, at('domain')), eq(blobTable.digest, at('digest'))))
      .prepare(),
    blobs: db
      .select()
      .from(blobTable)
      .where(sql`(${blobTable.domain}, ${blobTable.digest}) > (${at('domain')}, ${at('digest')})`)
      .orderBy(asc(blobTable.domain), asc(blobTable.digest))
      .limit(at('limit'))
      .prepare(),
    blobPlaces: db
      .select({ domain, digest, store, storedBytes })
      .from(blobTable)
      .where(sql`(${domain}, ${digest}) > (${at('domain')}, ${at('digest')})`)
      .orderBy(asc(domain), asc(digest))
      .limit(at('limit'))
      .prepare(),
    storesNamed: db
      .select({ store, blobs: sql<number>`count(*)` })
      .from(blobTable)
      .where(sql`${store} <> ''`)
      .groupBy(store)
      .orderBy(asc(store))
      .prepare(),
    holders: holdersQuery(db),
    references: referencesQuery(db),
    audit: db
      .select()
      .from(auditTable)
      .where(gt(auditTable.seq, at('after')))
      .orderBy(asc(auditTable.seq))
      .limit(at('limit'))
      .prepare(),
    auditHead: db.select({ seq: auditTable.seq }).from(auditTable).orderBy(desc(auditTable.seq)).limit(1).prepare(),
  }
}

type Db = ReturnType<typeof drizzle>

type BlobColumns = [
  BlobRow['sizeBytes'],
  BlobRow['encoding'],
  number,
  string,
  BlobRow['layout'],
  Buffer,
  string,
  string,
]

/**
 * The hot path of every archive GET, so without drizzle's row mapping. A subquery, because SQLite takes three times as long over
 * the same as a join.
 */
function blobOfQuery(connection: Database): ReadsAtOnce['blobOf'] {
  const statement = connection
    .prepare<unknown[], BlobColumns>(
      `SELECT size_bytes, encoding, stored_bytes, stored_sha256, layout, frames, domain, store FROM blob
        WHERE domain = (SELECT domain FROM reference WHERE cache = ? AND digest = ? AND kind >= ? AND kind < ? LIMIT 1)
          AND digest = ? AND state = 'live'`,
    )
    .raw()
  return (cache, kindPrefix, digest) => {
    const row = statement.get(cache, digest, kindPrefix, prefixEnd(kindPrefix), digest)
    if (row === undefined) return undefined
    const [sizeBytes, encoding, storedBytes, storedSha256, layout, frames, domain, store] = row
    return { domain, digest, sizeBytes, encoding, storedBytes, storedSha256, layout, frames, state: 'live', store }
  }
}

/** One row by its name, which every read of a file begins with: without drizzle's row mapping too. */
function recordQuery(connection: Database): ReadsAtOnce['get'] {
  const statement = connection
    .prepare<unknown[], [value: string, version: number]>(
      'SELECT value, version FROM record WHERE cache = ? AND kind = ? AND key = ?',
    )
    .raw()
  return (cache, kind, key) => {
    const row = statement.get(cache, kind, key)
    return row === undefined ? undefined : { key, value: row[0], version: row[1] }
  }
}

/** One statement for many keys; CROSS JOIN keeps SQLite from walking the records instead. */
function presentQuery(connection: Database) {
  return connection
    .prepare<[keys: string, cache: number, kind: string], string>(
      `SELECT DISTINCT record.key FROM json_each(?) AS wanted CROSS JOIN record
        WHERE record.cache = ? AND record.kind = ? AND record.key = wanted.value AND NOT EXISTS (
          SELECT 1 FROM reference JOIN blob ON blob.domain = reference.domain AND blob.digest = reference.digest
            WHERE reference.cache = record.cache AND reference.kind = record.kind AND reference.key = record.key
              AND blob.state <> 'live')`,
    )
    .pluck()
}

function holdersQuery(db: Db) {
  const { cache, kind, key, digest } = referenceTable
  return db
    .selectDistinct({ kind, key })
    .from(referenceTable)
    .where(and(eq(cache, at('cache')), eq(digest, at('digest')), gte(kind, at('kindPrefix')), lt(kind, at('kindEnd'))))
    .orderBy(asc(kind), asc(key))
    .limit(at('limit'))
    .prepare()
}

function referencesQuery(db: Db) {
  const { cache, kind, key, domain, digest } = referenceTable
  return db
    .select()
    .from(referenceTable)
    .where(
      sql`(${cache}, ${kind}, ${key}, ${domain}, ${digest})
        > (${at('cache')}, ${at('kind')}, ${at('key')}, ${at('domain')}, ${at('digest')})`,
    )
    .orderBy(asc(cache), asc(kind), asc(key), asc(domain), asc(digest))
    .limit(at('limit'))
    .prepare()
}
