import { setTimeout as sleep } from 'node:timers/promises'

import { DepotError } from '../../src/errors.ts'
import type { KvStore } from '../../src/kv-store.ts'
import { LIMITS } from '../../src/limits.ts'
import { shareOf } from '../../src/worker-share.ts'
import { checkCommit } from './checks.ts'
import { migratePostgres } from './migrate.ts'
import { openPool, type Pool, type Transaction } from './postgres-client.ts'
import { applyCommit, type Applied } from './postgres-commit.ts'
import { isWorthRepeating } from './postgres-errors.ts'
import { postgresReader } from './postgres-reader.ts'

export interface PostgresKvOptions {
  /** `postgres://user:password@host:port/database`. */
  readonly url: string
  /** Connections of this process at most; `LIMITS.databaseConnections` when absent. */
  readonly poolMax?: number
}

/**
 * Names in a PostgreSQL database, which many processes may share. Connections come back by themselves after an outage.
 *
 * @throws DepotError `STORAGE_DOWN` when the server cannot be reached or the database cannot be brought up to date.
 */
export async function openPostgresKv(options: PostgresKvOptions): Promise<KvStore> {
  const pool = openPool({ poolMax: shareOf(LIMITS.databaseConnections, 2), ...options })
  try {
    await pool.use((client) => migratePostgres(client))
  } catch (error) {
    await pool[Symbol.asyncDispose]()
    throw error
  }
  const transact = transactions(pool)

  return {
    ...postgresReader(pool),
    async commit(commit) {
      checkCommit(commit)
      await transact((transaction) => applyCommit(transaction, commit))
    },
    setBlobState: (domain, digest, state) =>
      transact(async (transaction) => {
        await transaction`UPDATE blob SET state = ${state} WHERE domain = ${domain} AND digest = ${digest}`
      }),
    async ping() {
      await pool.use((client) => client`SELECT 1`)
    },
    [Symbol.asyncDispose]: () => pool[Symbol.asyncDispose](),
  }
}

/** Runs transactions; one that met a deadlock is run again. Too many at once are refused rather than remembered. */
function transactions(pool: Pool): (body: (transaction: Transaction) => Promise<Applied | void>) => Promise<void> {
  let running = 0
  return async (body) => {
    if (running >= LIMITS.commitsWaitingMax) {
      throw new DepotError('STORAGE_DOWN', 'the database cannot keep up: try again later')
    }
    running++
    try {
      await pool.use((client) =>
        repeated(async () => {
          const applied = await client.begin(body)
          await applied?.audited
        }),
      )
    } finally {
      running--
    }
  }
}

const ATTEMPTS = 8
const PAUSE_MS = 20

async function repeated(attempt: () => Promise<unknown>): Promise<void> {
  for (let left = ATTEMPTS - 1; ; left--) {
    try {
      await attempt()
      return
    } catch (error) {
      if (left === 0 || !isWorthRepeating(error)) throw error
      await sleep(Math.random() * PAUSE_MS)
    }
  }
}
