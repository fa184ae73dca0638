import type { KvStore } from '../../../src/kv-store.ts'
import { LIMITS } from '../../../src/limits.ts'
import { shareOf } from '../../../src/worker-share.ts'
import { checkCommit } from '../checks.ts'
import { createLine } from '../line.ts'
import type { SchemaRule } from '../migrate.ts'
import { openPool, type Pool, type PoolOptions } from './pool.ts'
import { clockFault, openClock } from './clock.ts'
import { applyCommit, isApplied } from './commit.ts'
import { connectPostgres, endClient, type PostgresTarget } from './connect.ts'
import { postgresError } from './errors.ts'
import { holdInPostgres } from './hold.ts'
import { demandPostgres, isCurrentPostgres, migratePostgres } from './migrate.ts'
import { isMoved, moveBlob } from './move.ts'
import { demandSessions, isPooled } from './pooler.ts'
import { postgresReader } from './reader.ts'
import { openSession } from './session.ts'
import { demandServer, explainStart } from './start.ts'
import { transactions } from './transact.ts'

export interface PostgresKvOptions extends PostgresTarget {
  /** Connections at most, which the processes of one server share; `LIMITS.databaseConnections` when absent. */
  readonly poolMax?: number
  /** What becomes of an older database; `migrate` when absent. */
  readonly schema?: SchemaRule
  /** Told when this machine has another time than the database. */
  readonly warn?: (message: string) => void
}

/**
 * Names in a PostgreSQL database, which many processes may share. Connections come back by themselves after an outage.
 *
 * @throws DepotError `STORAGE_DOWN` when the server cannot be reached or the database cannot be brought up to date.
 */
export async function openPostgresKv(options: PostgresKvOptions): Promise<KvStore> {
  const most = options.poolMax ?? LIMITS.databaseConnections
  // One to read and one for changes, so that neither waits for the other.
  const poolMax = shareOf(most, Math.min(2, most))
  const pool = await openPrepared({ ...options, poolMax }, options.schema)
  const clock = await openClock(pool).catch(async (error: unknown) => {
    await pool[Symbol.asyncDispose]()
    throw error
  })
  const fault = clockFault(clock.aheadMs())
  if (fault !== undefined) options.warn?.(fault)
  const { transact, end } = transactions(pool)
  const session = openSession({ target: options, purpose: 'lock' })
  const line = createLine()

  return {
    ...postgresReader(pool),
    async commit(commit) {
      checkCommit(commit)
      await transact(
        (transaction) => applyCommit(transaction, commit),
        (client, id) => isApplied(client, commit, id),
      )
    },
    setBlobState: (domain, digest, state) =>
      transact(async (transaction) => {
        await transaction`UPDATE blob SET state = ${state} WHERE domain = ${domain} AND digest = ${digest}`
      }),
    moveBlob: (from, to) =>
      transact(
        (transaction) => moveBlob(transaction, from, to),
        (client, id) => isMoved(client, from, to, id),
      ),
    hold: (name, signal) => holdInPostgres(session, line, name, signal),
    now: clock.now,
    async ping() {
      // A server that answers may have lost the tables: while they are restored nobody is to be sent here.
      await pool.use((client) => client`SELECT 1 FROM migration LIMIT 1`)
    },
    async [Symbol.asyncDispose]() {
      clock[Symbol.dispose]()
      await end()
      await session[Symbol.asyncDispose]()
      await pool[Symbol.asyncDispose]()
    },
  }
}

/**
 * Bring a PostgreSQL database up to date, or demand that it is, for processes that open it afterwards, which then begin at once: however long that takes, it is one
 * process that does it, and one that says why it cannot.
 *
 * @throws DepotError as `openPostgresKv`
 */
export async function preparePostgres(url: string, schema?: SchemaRule): Promise<void> {
  await using _pool = await openPrepared({ url, poolMax: 1 }, schema)
}

async function openPrepared(options: PoolOptions, schema: SchemaRule = 'migrate'): Promise<Pool> {
  const pool = openPool(options)
  try {
    await pool.use(demandServer)
    if (await pool.use(isPooled)) await demandSessions(options)
    if (schema === 'demand') await pool.use((client) => demandPostgres(client))
    else if (!(await pool.use((client) => isCurrentPostgres(client)))) await migrateAlone(options)
    return pool
  } catch (error) {
    await pool[Symbol.asyncDispose]()
    throw explainStart(error, options.url)
  }
}

/** Over a connection of its own: a migration, and waiting for that of another process, may take longer than a pool lets one be silent. */
async function migrateAlone(target: PostgresTarget): Promise<void> {
  const client = connectPostgres(target, { poolMax: 1, purpose: 'migrations' })
  try {
    await migratePostgres(client)
  } catch (error) {
    throw postgresError(error)
  } finally {
    await endClient(client, 0)
  }
}
