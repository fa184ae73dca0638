import type * as PgCore from 'drizzle-orm/pg-core'
import type { SQLWrapper } from 'drizzle-orm'

import { prefixEnd } from '../../src/key-prefix.ts'
import type {
  AuditRow,
  BlobRow,
  Cache,
  DocumentKey,
  KvRecord,
  ListOptions,
  RecordName,
  Reference,
  StoredDocument,
} from '../../src/kv-store.ts'
import { SYSTEM_CACHE } from '../../src/kv-store.ts'
import { LIMITS } from '../../src/limits.ts'
import { checkKeyCount, checkPageLimit, isKey, pageStart } from './checks.ts'
import { loadDrizzle, orm } from './drizzle.ts'
import type { Pool } from './postgres-client.ts'
import { auditTable, blobTable, cacheTable, documentTable, recordTable, referenceTable } from './schema/postgres.ts'
import { storedDocument } from './stored-document.ts'

const { and, asc, desc, eq, gt, gte, lt, ne, sql } = orm
const { QueryBuilder } = loadDrizzle('drizzle-orm/pg-core') as typeof PgCore
const at = sql.placeholder
const db = new QueryBuilder()

/** The reads of a KvStore. */
export interface PostgresReader {
  cache(name: string): Promise<Cache | undefined>
  get(cache: number, kind: string, key: string): Promise<KvRecord | undefined>
  present(cache: number, kind: string, keys: readonly string[]): Promise<readonly string[]>
  list(cache: number, kind: string, options: ListOptions): Promise<readonly KvRecord[]>
  blobOf(cache: number, kindPrefix: string, digest: string): Promise<BlobRow | undefined>
  holders(cache: number, kindPrefix: string, digest: string, limit: number): Promise<readonly RecordName[]>
  blob(domain: string, digest: string): Promise<BlobRow | undefined>
  document(key: DocumentKey): Promise<StoredDocument | undefined>
  blobs(after: Pick<BlobRow, 'domain' | 'digest'> | undefined, limit: number): Promise<readonly BlobRow[]>
  references(after: Reference | undefined, limit: number): Promise<readonly Reference[]>
  audit(after: number, limit: number): Promise<readonly AuditRow[]>
  auditHead(): Promise<number>
}

/** Reads over a pool; drizzle writes each query once, the server prepares it once a connection. */
export function postgresReader(pool: Pool): PostgresReader {
  const all = runner(pool)
  const run = { all, first: async <T>(query: Query<T>, values: Values) => (await all(query, values))[0] }
  return {
    cache: (name) => run.first(CACHE, { name }),
    get: async (cache, kind, key) => (isKey(key) ? run.first(RECORD, { cache, kind, key }) : undefined),
    async present(cache, kind, keys) {
      checkKeyCount(keys)
      const rows = await run.all(PRESENT, { cache, kind, keys: JSON.stringify(keys.filter(isKey)) })
      return rows.map(({ key }) => key)
    },
    async list(cache, kind, options) {
      const { start, inclusive } = pageStart(options)
      const query = LISTS[inclusive ? 'inclusive' : 'exclusive'][options.to === undefined ? 'open' : 'bounded']
      return run.all(query, { cache, kind, start, to: options.to, limit: options.limit })
    },
    blobOf: (cache, kindPrefix, digest) =>
      run.first(BLOB_OF, { cache, kindPrefix, kindEnd: prefixEnd(kindPrefix), digest }),
    async holders(cache, kindPrefix, digest, limit) {
      checkPageLimit(limit)
      return run.all(HOLDERS, { cache, kindPrefix, kindEnd: prefixEnd(kindPrefix), digest, limit })
    },
    blob: (domain, digest) => run.first(BLOB, { domain, digest }),
    async document(key) {
      if (!isKey(key.key) || !isKey(key.origin)) return undefined
      const row = await run.first(DOCUMENT, { ...key })
      if (row === undefined) return undefined
      return storedDocument(key, { ...row, body: row.bodyText ?? row.bodyBytes }, async () => {
        const large = await run.first(LARGE_BODY, { ...key, etag: row.etag })
        return large && Buffer.from(large.bodyText ?? large.bodyBytes ?? '')
      })
    },
    async blobs(after = { domain: '', digest: '' }, limit) {
      checkPageLimit(limit)
      return run.all(BLOBS, { ...after, limit })
    },
    async references(after = { cache: 0, kind: '', key: '', domain: '', digest: '' }, limit) {
      checkPageLimit(limit)
      return run.all(REFERENCES, { ...after, limit })
    },
    async audit(after, limit) {
      checkPageLimit(limit)
      return run.all(AUDIT, { after, limit })
    },
    auditHead: async () => (await run.first(AUDIT_HEAD, {}))?.seq ?? 0,
  }
}

type Values = Record<string, unknown>

/** A query as text, with the order of its parameters, and the fields of its rows. */
interface Query<Row> {
  readonly text: string
  readonly params: unknown[]
  readonly fields: readonly string[]
  /** Only a type: what a row becomes. */
  readonly row?: Row
}

/** Have drizzle write a query. Its own driver would neither prepare it on the server nor send it in one round trip. */
function written<Row extends object>(query: {
  toSQL(): { sql: string; params: unknown[] }
  _: { result: Row[] }
}): Query<Row> {
  const selected = (query as unknown as { getSelectedFields(): Record<string, SQLWrapper> }).getSelectedFields()
  const { sql: text, params } = query.toSQL()
  return { text, params, fields: Object.keys(selected) }
}

function runner(pool: Pool): <Row>(query: Query<Row>, values: Values) => Promise<Row[]> {
  return async <Row>({ text, params, fields }: Query<Row>, values: Values) => {
    const bound = orm.fillPlaceholders(params, values) as never[]
    const rows = await pool.use((client) => client.unsafe(text, bound, { prepare: true }).values())
    return rows.map((row) => Object.fromEntries(fields.map((field, index) => [field, row[index]])) as Row)
  }
}

const CACHE = written(
  db
    .select()
    .from(cacheTable)
    .where(and(eq(cacheTable.name, at('name')), ne(cacheTable.id, SYSTEM_CACHE.id))),
)

const { key: recordKey, value, version } = recordTable
const inKind = and(eq(recordTable.cache, at('cache')), eq(recordTable.kind, at('kind')))
const fromRecord = () => db.select({ key: recordKey, value, version }).from(recordTable)
const RECORD = written(fromRecord().where(and(inKind, eq(recordKey, at('key')))))

const PRESENT = written(
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
const LISTS = {
  inclusive: { open: list(gte, false), bounded: list(gte, true) },
  exclusive: { open: list(gt, false), bounded: list(gt, true) },
}

const BLOB = written(
  db
    .select()
    .from(blobTable)
    .where(and(eq(blobTable.domain, at('domain')), eq(blobTable.digest, at('digest')))),
)

const BLOBS = written(
  db
    .select()
    .from(blobTable)
    .where(sql`(${blobTable.domain}, ${blobTable.digest}) > (${at('domain')}, ${at('digest')})`)
    .orderBy(asc(blobTable.domain), asc(blobTable.digest))
    .limit(at('limit')),
)

const { cache, kind, key, domain, digest } = referenceTable
const referred = db
  .select({ domain })
  .from(referenceTable)
  .where(and(eq(cache, at('cache')), eq(digest, at('digest')), gte(kind, at('kindPrefix')), lt(kind, at('kindEnd'))))
  .limit(1)
const BLOB_OF = written(
  db
    .select()
    .from(blobTable)
    .where(
      and(eq(blobTable.domain, sql`${referred}`), eq(blobTable.digest, at('digest')), eq(blobTable.state, 'live')),
    ),
)

const HOLDERS = written(
  db
    .selectDistinct({ kind, key })
    .from(referenceTable)
    .where(and(eq(cache, at('cache')), eq(digest, at('digest')), gte(kind, at('kindPrefix')), lt(kind, at('kindEnd'))))
    .orderBy(asc(kind), asc(key))
    .limit(at('limit')),
)

const REFERENCES = written(
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

const AUDIT = written(
  db
    .select()
    .from(auditTable)
    .where(gt(auditTable.seq, at('after')))
    .orderBy(asc(auditTable.seq))
    .limit(at('limit')),
)

const AUDIT_HEAD = written(db.select({ seq: auditTable.seq }).from(auditTable).orderBy(desc(auditTable.seq)).limit(1))

const { bodyText, bodyBytes, etag, encoding } = documentTable
const namedDocument = and(
  eq(documentTable.cache, at('cache')),
  eq(documentTable.kind, at('kind')),
  eq(documentTable.key, at('key')),
  eq(documentTable.variant, at('variant')),
  eq(documentTable.origin, at('origin')),
)
/** PostgreSQL knows the length of a body without reading it. */
const sizeBytes = sql<number>`coalesce(octet_length(${bodyText}), octet_length(${bodyBytes}))`
const inline = <T>(body: SQLWrapper) =>
  sql<T | null>`CASE WHEN ${sizeBytes} <= ${sql.raw(String(LIMITS.documentInlineBytesMax))} THEN ${body} END`
const DOCUMENT = written(
  db
    .select({ bodyText: inline<string>(bodyText), bodyBytes: inline<Uint8Array>(bodyBytes), etag, encoding, sizeBytes })
    .from(documentTable)
    .where(namedDocument),
)
const LARGE_BODY = written(
  db
    .select({ bodyText, bodyBytes })
    .from(documentTable)
    .where(and(namedDocument, eq(etag, at('etag')))),
)
