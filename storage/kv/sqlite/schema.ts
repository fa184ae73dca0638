import type * as SqliteCore from 'drizzle-orm/sqlite-core'

import type { AuditEntry, BlobRow, BlobState } from '../../../src/kv-store.ts'
import { loadDrizzle } from '../drizzle.ts'

const { blob: bytes, integer, sqliteTable, text } = loadDrizzle('drizzle-orm/sqlite-core') as typeof SqliteCore

// What reads need to know of the tables; keys, checks and defaults stand in the migrations.

export const cacheTable = sqliteTable('cache', {
  id: integer('id').notNull(),
  name: text('name').notNull(),
  domain: text('domain').notNull(),
})

export const recordTable = sqliteTable('record', {
  cache: integer('cache').notNull(),
  kind: text('kind').notNull(),
  key: text('key').notNull(),
  value: text('value').notNull(),
  version: integer('version').notNull(),
})

export const blobTable = sqliteTable('blob', {
  domain: text('domain').notNull(),
  digest: text('digest').notNull(),
  sizeBytes: integer('size_bytes').notNull(),
  encoding: text('encoding').$type<BlobRow['encoding']>().notNull(),
  storedBytes: integer('stored_bytes').notNull(),
  storedSha256: text('stored_sha256').notNull(),
  layout: text('layout').$type<BlobRow['layout']>().notNull(),
  frames: bytes('frames', { mode: 'buffer' }).notNull(),
  state: text('state').$type<BlobState>().notNull(),
  store: text('store').notNull(),
})

export const referenceTable = sqliteTable('reference', {
  cache: integer('cache').notNull(),
  kind: text('kind').notNull(),
  key: text('key').notNull(),
  domain: text('domain').notNull(),
  digest: text('digest').notNull(),
})

export const documentTable = sqliteTable('document', {
  cache: integer('cache').notNull(),
  kind: text('kind').notNull(),
  key: text('key').notNull(),
  variant: text('variant').notNull(),
  origin: text('origin').notNull(),
  body: text('body').notNull(),
  etag: text('etag').notNull(),
  encoding: text('encoding').notNull(),
})

export const auditTable = sqliteTable('audit', {
  seq: integer('seq').notNull(),
  at: integer('at').notNull(),
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
