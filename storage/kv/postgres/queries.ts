import type * as PgCore from 'drizzle-orm/pg-core'
import type { SQLWrapper } from 'drizzle-orm'

import { SYSTEM_CACHE } from '../../../src/kv-store.ts'
import { LIMITS } from '../../../src/limits.ts'
import { loadDrizzle, orm } from '../drizzle.ts'
import { written } from './runner.ts'
import { auditTable, blobTable, cacheTable, documentTable, recordTable, referenceTable } from './schema.ts'

const { and, asc, desc, eq, gt, gte, lt, ne, sql } = orm
const { QueryBuilder } = loadDrizzle('drizzle-orm/pg-core') as typeof PgCore
const at = sql.placeholder
const db = new QueryBuilder()

// Every read of a KvStore as PostgreSQL is asked it.

export const CACHE = written(
  db
    .select()
    .from(cacheTable)
    .where(and(eq(cacheTable.name, at('name')), ne(cacheTable.id, SYSTEM_CACHE.id))),
)

const { key: recordKey, value, version } = recordTable
const inKind = and(eq(recordTable.cache, at('cache')), eq(recordTable.kind, at('kind')))
const fromRecord = () => db.select({ key: recordKey, value, version }).from(recordTable)
export const RECORD = written(fromRecord().where(and(inKind, eq(recordKey, at('key')))))

export const PRESENT = written(
  db
    .selectDistinct({ key: recordKey })
    .from(recordTable)
    .where(
      and(
        inKind,
        // Text and not an array, whose type the server would have to be asked for.
        sql`${recordKey} IN (SELECT jsonb_array_elements_text(${at('keys')}::text::jsonb))`,
        sql`NOT EXISTS (
          SELECT 1 FROM ${referenceTable} JOIN ${blobTable}
            ON ${blobTable.domain} = ${referenceTable.domain} AND ${blobTable.digest} = ${referenceTable.digest}
            WHERE ${referenceTable.cache} = ${recordTable.cache} AND ${referenceTable.kind} = ${recordTable.kind}
              AND ${referenceTable.key} = ${recordTable.key} AND ${blobTable.state} <> 'live')`,
      ),
    ),
)

const list = (lower: typeof gt, bounded: boolean) =>
  written(
    fromRecord()
      .where(and(inKind, lower(recordKey, at('start')), bounded ? lt(recordKey, at('to')) : undefined))
      .orderBy(asc(recordKey))
      .limit(at('limit')),
  )
export const LISTS = {
  inclusive: { open: list(gte, false), bounded: list(gte, true) },
  exclusive: { open: list(gt, false), bounded: list(gt, true) },
}

export const BLOB = written(
  db
    .select()
    .from(blobTable)
    .where(and(eq(blobTable.domain, at('domain')), eq(blobTable.digest, at('digest')))),
)

export const BLOBS = written(
  db
    .select()
    .from(blobTable)
    .where(sql`(${blobTable.domain}, ${blobTable.digest}) > (${at('domain')}, ${at('digest')})`)
    .orderBy(asc(blobTable.domain), asc(blobTable.digest))
    .limit(at('limit')),
)

const { store, storedBytes } = blobTable
export const BLOB_PLACES = written(
  db
    .select({ domain: blobTable.domain, digest: blobTable.digest, store, storedBytes })
    .from(blobTable)
    .where(sql`(${blobTable.domain}, ${blobTable.digest}) > (${at('domain')}, ${at('digest')})`)
    .orderBy(asc(blobTable.domain), asc(blobTable.digest))
    .limit(at('limit')),
)

export const STORES_NAMED = written(
  db
    .select({ store, blobs: sql<number>`count(*)::integer` })
    .from(blobTable)
    .where(sql`${store} <> ''`)
    .groupBy(store)
    .orderBy(asc(store)),
)

const { cache, kind, key, domain, digest } = referenceTable
const referred = db
  .select({ domain })
  .from(referenceTable)
  .where(and(eq(cache, at('cache')), eq(digest, at('digest')), gte(kind, at('kindPrefix')), lt(kind, at('kindEnd'))))
  .limit(1)
export const BLOB_OF = written(
  db
    .select()
    .from(blobTable)
    .where(
      and(eq(blobTable.domain, sql`${referred}`), eq(blobTable.digest, at('digest')), eq(blobTable.state, 'live')),
    ),
)

export const HOLDERS = written(
  db
    .selectDistinct({ kind, key })
    .from(referenceTable)
    .where(and(eq(cache, at('cache')), eq(digest, at('digest')), gte(kind, at('kindPrefix')), lt(kind, at('kindEnd'))))
    .orderBy(asc(kind), asc(key))
    .limit(at('limit')),
)

export const REFERENCES = written(
  db
    .select()
    .from(referenceTable)
    .where(
      sql`(${cache}, ${kind}, ${key}, ${domain}, ${digest})
        > (${at('cache')}, ${at('kind')}, ${at('key')}, ${at('domain')}, ${at('digest')})`,
    )
    .orderBy(asc(cache), asc(kind), asc(key), asc(domain), asc(digest))
    .limit(at('limit')),
)

export const AUDIT = written(
  db
    .select()
    .from(auditTable)
    .where(gt(auditTable.seq, at('after')))
    .orderBy(asc(auditTable.seq))
    .limit(at('limit')),
)

export const AUDIT_HEAD = written(
  db.select({ seq: auditTable.seq }).from(auditTable).orderBy(desc(auditTable.seq)).limit(1),
)

const { bodyText, bodyBytes, etag, encoding } = documentTable
const namedDocument = and(
  eq(documentTable.cache, at('cache')),
  eq(documentTable.kind, at('kind')),
  eq(documentTable.key, at('key')),
  eq(documentTable.variant, at('variant')),
  eq(documentTable.origin, at('origin')),
)
/** PostgreSQL knows the length of a body without reading it, and does not read one that is known by its tag. */
const sizeBytes = sql<number>`coalesce(octet_length(${bodyText}), octet_length(${bodyBytes}))`
const inlineMax = sql.raw(String(LIMITS.documentInlineBytesMax))
const inline = <T>(body: SQLWrapper) =>
  sql<T | null>`CASE WHEN ${sizeBytes} <= ${inlineMax} AND ${etag} <> ${at('known')}::text THEN ${body} END`
export const DOCUMENT = written(
  db
    .select({ bodyText: inline<string>(bodyText), bodyBytes: inline<Uint8Array>(bodyBytes), etag, encoding, sizeBytes })
    .from(documentTable)
    .where(namedDocument),
)
export const LARGE_BODY = written(
  db
    .select({ bodyText, bodyBytes })
    .from(documentTable)
    .where(and(namedDocument, eq(etag, at('etag')))),
)
