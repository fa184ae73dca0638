import { createRequire } from 'node:module'

import type Postgres from 'postgres'

import { LIMITS } from '../../src/limits.ts'
import { isConnectTimeout, postgresError } from './postgres-errors.ts'
import { SteadySocket, type SslMode } from './postgres-socket.ts'

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

export interface PoolOptions {
  readonly url: string
  /** Connections at most. */
  readonly poolMax: number
}

/** A bounded pool of connections. */
export interface Pool extends AsyncDisposable {
  /** Use the pool; what PostgreSQL or the network refuse comes out as a DepotError. */
  use<T>(body: (client: Client) => Promise<T>): Promise<T>
}

/** Connects when it is first used, and again by itself after an outage. */
export function openPool(options: PoolOptions): Pool {
  let current = connectPostgres(options)

  function replace(stale: Client): void {
    if (stale !== current) return
    current = connectPostgres(options)
    void close(stale)
  }

  return {
    async use(body) {
      const client = current
      try {
        return await body(client)
      } catch (error) {
        // A connection of postgres.js 3.4.9 that broke at the wrong moment can never log in again, and it keeps its place.
        if (isConnectTimeout(error)) replace(client)
        throw postgresError(error)
      }
    },
    [Symbol.asyncDispose]: () => close(current),
  }
}

/** Statements under way get some seconds to end. */
async function close(client: Client): Promise<void> {
  await client.end({ timeout: LIMITS.databaseBusyTimeoutMs / 1000 })
}

function connectPostgres({ url, poolMax }: PoolOptions): Client {
  const { hostname, port, searchParams } = new URL(url)
  const target = {
    host: hostname.replace(/^\[(.*)\]$/, '$1'),
    port: Number(port || 5432),
    // As psql does it when the URL does not say otherwise: encrypted where the server can.
    ssl: (searchParams.get('sslmode') ?? 'prefer') as SslMode,
  }
  const options = {
    max: poolMax,
    connect_timeout: LIMITS.databaseBusyTimeoutMs / 1000,
    ssl: false,
    socket: () => new SteadySocket(target), // not in its types
    fetch_types: false,
    types: { int8: INT8 },
    onnotice: () => {},
    connection: {
      application_name: 'depot',
      statement_timeout: LIMITS.databaseStatementTimeoutMs,
      synchronous_commit: 'on',
      // Statements behind the audit log's lock must see the line that was committed while they waited for it.
      default_transaction_isolation: 'read committed',
    } as Record<string, string | number>,
  }
  return postgres(url, options)
}
