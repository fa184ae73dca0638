import type * as PgCore from 'drizzle-orm/pg-core'

import type { AuditEntry, BlobRow, BlobState, Document } from '../../../src/kv-store.ts'
import { loadDrizzle } from '../drizzle.ts'

const { bigint, customType, integer, pgTable, text } = loadDrizzle('drizzle-orm/pg-core') as typeof PgCore

const bytea = customType<{ data: Uint8Array }>({ dataType: () => 'bytea' })

// What reads need to know of the tables; keys, checks and defaults stand in the migrations.

export const cacheTable = pgTable('cache', {
  id: integer('id').notNull(),
  name: text('name').notNull(),
  domain: text('domain').notNull(),
})

export const recordTable = pgTable('record', {
  cache: integer('cache').notNull(),
  kind: text('kind').notNull(),
  key: text('key').notNull(),
  value: text('value').notNull(),
  version: integer('version').notNull(),
})

export const blobTable = pgTable('blob', {
  domain: text('domain').notNull(),
  digest: text('digest').notNull(),
  sizeBytes: bigint('size_bytes', { mode: 'number' }).notNull(),
  encoding: text('encoding').$type<BlobRow['encoding']>().notNull(),
  storedBytes: bigint('stored_bytes', { mode: 'number' }).notNull(),
  storedSha256: text('stored_sha256').notNull(),
  layout: text('layout').$type<BlobRow['layout']>().notNull(),
  frames: bytea('frames').notNull(),
  state: text('state').$type<BlobState>().notNull(),
  store: text('store').notNull(),
})

export const referenceTable = pgTable('reference', {
  cache: integer('cache').notNull(),
  kind: text('kind').notNull(),
  key: text('key').notNull(),
  domain: text('domain').notNull(),
  digest: text('digest').notNull(),
})

export const documentTable = pgTable('document', {
  cache: integer('cache').notNull(),
  kind: text('kind').notNull(),
  key: text('key').notNull(),
  variant: text('variant').notNull(),
  origin: text('origin').notNull(),
  bodyText: text('body_text'),
  bodyBytes: bytea('body_bytes'),
  etag: text('etag').notNull(),
  encoding: text('encoding').$type<Document['encoding']>().notNull(),
})

export const auditTable = pgTable('audit', {
  seq: bigint('seq', { mode: 'number' }).notNull(),
  at: bigint('at', { mode: 'number' }).notNull(),
  cache: integer('cache').notNull(),
  principal: text('principal').notNull(),
  action: text('action').notNull(),
  resource: text('resource').notNull(),
  digest: text('digest').notNull(),
  address: text('address').notNull(),
  userAgent: text('user_agent').notNull(),
  credential: text('credential').notNull(),
  result: text('result').$type<AuditEntry['result']>().notNull(),
  hash: text('hash').notNull(),
})
