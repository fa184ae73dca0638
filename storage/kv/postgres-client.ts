import { createRequire } from 'node:module'

import type Postgres from 'postgres'

import { LIMITS } from '../../src/limits.ts'

// The build that drizzle's CommonJS would load, so that there is one.
const postgres = createRequire(import.meta.url)('postgres') as typeof Postgres

/** Numbers of ours stay below 2^53: bytes and versions. */
const INT8 = { to: 20, from: [20], parse: Number, serialize: String }

export type Client = Postgres.Sql<{ int8: number }>
/** The connection of one transaction. */
export type Transaction = Postgres.TransactionSql<{ int8: number }>
export type Row = Postgres.Row

export interface ClientOptions {
  readonly url: string
  readonly poolMax: number
}

/** A bounded pool; it connects when it is first used, and again by itself. */
export function connectPostgres({ url, poolMax }: ClientOptions): Client {
  return postgres(url, {
    max: poolMax,
    connect_timeout: LIMITS.databaseBusyTimeoutMs / 1000,
    // As psql does it when the URL does not say otherwise: encrypted where the server can.
    ...(url.includes('sslmode=') ? {} : { ssl: 'prefer' as const }),
    fetch_types: false,
    types: { int8: INT8 },
    onnotice: () => {},
    connection: {
      application_name: 'depot',
      statement_timeout: LIMITS.databaseStatementTimeoutMs,
      synchronous_commit: 'on',
    } as Record<string, string | number>,
  })
}
