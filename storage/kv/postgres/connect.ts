import { createRequire } from 'node:module'

import type Postgres from 'postgres'

import { LIMITS } from '../../../src/limits.ts'
import { parsePostgresUrl } from './url.ts'
import { SteadySocket } from './socket.ts'

// The CommonJS build, like drizzle's.
const postgres = createRequire(import.meta.url)('postgres') as typeof Postgres

/** Numbers of ours stay below 2^53: bytes and versions. */
const INT8 = { to: 20, from: [20], parse: Number, serialize: String }

export type Client = Postgres.Sql<{ int8: number }>
/** The connection of one transaction. */
export type Transaction = Postgres.TransactionSql<{ int8: number }>

/** Runs one statement that is prepared on the server. `missing`: the fewest rows it must concern, else `WRITE_CONFLICT`. */
export type Run = (
  text: string,
  values: readonly unknown[],
  missing?: { expected: number; message: string },
) => Promise<void>

/** Where a database is, and how it is talked to. */
export interface PostgresTarget {
  /** See `parsePostgresUrl`. */
  readonly url: string
  /** A statement that takes longer is cancelled; `LIMITS.databaseStatementTimeoutMs` when absent. */
  readonly statementTimeoutMs?: number
}

/** How connections to it are kept. */
export interface ConnectionOptions {
  /** Connections at most. */
  readonly poolMax: number
  /**
   * Of one that stays: it is kept however old it gets, given up by the server soon after this machine has vanished, and `pg_stat_activity` shows
   * this behind the name of the application.
   */
  readonly purpose?: string
  onclose?(): void
  onnotify?(channel: string, payload: string): void
}

/** Connections are made when they are first used. */
export function connectPostgres(target: PostgresTarget, connections: ConnectionOptions): Client {
  const { url, statementTimeoutMs = LIMITS.databaseStatementTimeoutMs } = target
  const { poolMax, purpose, onclose = () => {}, onnotify = () => {} } = connections
  const { user, password, database, sslMode, applicationName, connectTimeoutMs, ...place } = parsePostgresUrl(url)
  const options = {
    max: poolMax,
    // What is not said here, postgres.js takes from the environment, or from the name of whoever runs this.
    ...place,
    database,
    ...(user === undefined ? {} : { user }),
    ...(password === undefined ? {} : { password }),
    connect_timeout: (connectTimeoutMs ?? LIMITS.databaseBusyTimeoutMs) / 1000,
    ssl: false,
    // Not in its types.
    socket() {
      if (ended.has(client)) throw Object.assign(new Error('it was ended'), { code: 'CONNECTION_ENDED' })
      return new SteadySocket({ ...place, ssl: sslMode })
    },
    fetch_types: false,
    types: { int8: INT8 },
    onnotice: () => {},
    onclose,
    onnotify, // nor is this
    // After an outage it waits less long, and never more than a moment, before it tries again.
    backoff: (failures: number) =>
      (Math.min(LIMITS.databaseRetryMsMin * 2 ** failures, LIMITS.databaseRetryMsMax) / 1000) *
      (0.5 + Math.random() / 2),
    ...(purpose === undefined ? {} : { max_lifetime: null }),
    connection: {
      application_name: purpose === undefined ? applicationName : `${applicationName} ${purpose}`,
      ...settingsOf(statementTimeoutMs),
      ...(purpose === undefined ? {} : VANISHED_SOON),
    } as Record<string, string | number>,
  }
  const client: Client = postgres(options)
  return client
}

const ended = new WeakSet<Client>()

/**
 * End a client, with what is under way after `timeoutMs`. postgres.js 3.4.9 would still dial for what had waited behind a connection that
 * broke, and nobody would ever close that: it would keep a place in PostgreSQL, and the process from ending.
 */
export async function endClient(client: Client, timeoutMs: number): Promise<void> {
  if (timeoutMs === 0) ended.add(client)
  try {
    await client.end({ timeout: timeoutMs / 1000 })
  } finally {
    ended.add(client)
  }
}

function settingsOf(statementTimeoutMs: number) {
  return {
    statement_timeout: statementTimeoutMs,
    synchronous_commit: 'on',
    // Statements behind the audit log's lock must see the line that was committed while they waited for it.
    default_transaction_isolation: 'read committed',
  }
}

/** Which process of PostgreSQL answers. */
export async function backendOf(client: Client): Promise<number> {
  const [row] = await client<{ pid: number }[]>`SELECT pg_backend_pid() AS pid`
  return row?.pid ?? 0
}

/** @throws when a server only follows another one: it takes no changes, and what it says may be old */
export async function demandPrimary(client: Client): Promise<void> {
  const [row] = await client<{ standby: boolean }[]>`SELECT pg_is_in_recovery() AS standby`
  if (row?.standby === true) throw Object.assign(new Error('it is a standby'), { code: STANDBY })
}

/** Named as what the driver finds wrong with a connection: another one may be better. */
export const STANDBY = 'CONNECTION_STANDBY'

/** Seconds of silence until PostgreSQL looks whether we are there, between its looks, and how many it takes: a minute in all. */
const VANISHED_SOON = { tcp_keepalives_idle: 30, tcp_keepalives_interval: 10, tcp_keepalives_count: 3 }

/** Names of all settings of PostgreSQL that connections begin with. */
export const STARTUP_SETTINGS: readonly string[] = [settingsOf(0), VANISHED_SOON].flatMap(Object.keys)
