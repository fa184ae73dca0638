import type { Database } from 'better-sqlite3'
import type * as SqliteDriver from 'drizzle-orm/better-sqlite3'

import type { Document, DocumentKey, StoredDocument } from '../../../src/kv-store.ts'
import { LIMITS } from '../../../src/limits.ts'
import { loadDrizzle, orm } from '../drizzle.ts'
import { keptBodies, type DocumentRow } from '../kept-bodies.ts'
import { documentTable } from './schema.ts'

const { and, eq, sql } = orm
const { drizzle } = loadDrizzle('drizzle-orm/better-sqlite3') as typeof SqliteDriver
const at = sql.placeholder

/** How documents are read; `hot` runs each of the reads. */
export function documents(
  connection: Database,
  hot: <T>(read: () => T) => T,
): (key: DocumentKey) => StoredDocument | undefined {
  const row = rowQuery(connection)
  const largeBody = largeBodyQuery(connection)
  const kept = keptBodies()
  return (key) => {
    const known = kept.of(key)
    const found = hot(() => row(key, known.etag))
    return found && kept.document(key, found, known, () => hot(() => largeBody(key, found.etag)))
  }
}

type DocumentColumns = [
  body: string | Uint8Array | null,
  etag: string,
  encoding: Document['encoding'],
  sizeBytes: number,
]

const NAME = [documentTable.cache, documentTable.kind, documentTable.key, documentTable.variant, documentTable.origin]

/**
 * The hot path of every metadata GET: drizzle writes the SQL, and its row mapping, a sixth of the time, is left out. SQLite knows the
 * length of a body without reading it, and what is known by its tag already is not read either.
 */
function rowQuery(connection: Database): (key: DocumentKey, knownEtag: string) => DocumentRow | undefined {
  const { body, etag, encoding } = documentTable
  const sizeBytes = sql`octet_length(${body})`
  const most = sql.raw(String(LIMITS.documentInlineBytesMax))
  const inline = sql`CASE WHEN ${sizeBytes} <= ${most} AND ${etag} <> ${at('known')} THEN ${body} END`
  const query = drizzle(connection)
    .select({ inline, etag, encoding, sizeBytes })
    .from(documentTable)
    .where(and(...NAME.map((column) => eq(column, at(column.name)))))
  const statement = connection.prepare<unknown[], DocumentColumns>(query.toSQL().sql).raw()
  return (name, knownEtag) => {
    const row = statement.get(knownEtag, name.cache, name.kind, name.key, name.variant, name.origin)
    return row === undefined ? undefined : { body: row[0], etag: row[1], encoding: row[2], sizeBytes: row[3] }
  }
}

/** Bytes and not text: a string of it would be a second copy. */
function largeBodyQuery(connection: Database): (key: DocumentKey, etag: string) => Uint8Array | undefined {
  const { body, etag } = documentTable
  const query = drizzle(connection)
    .select({ body: sql`CAST(${body} AS BLOB)` })
    .from(documentTable)
    .where(and(...[...NAME, etag].map((column) => eq(column, at(column.name)))))
  const statement = connection.prepare<unknown[], Uint8Array>(query.toSQL().sql).pluck()
  return (name, tag) => statement.get(name.cache, name.kind, name.key, name.variant, name.origin, tag)
}
