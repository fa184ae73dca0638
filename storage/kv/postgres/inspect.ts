import { migrationState, readMigrations, type MigrationState } from '../migrate.ts'
import { measureClock } from './clock.ts'
import { openPool } from './pool.ts'
import { appliedToPostgres } from './migrate.ts'
import { explainStart } from './start.ts'

/** What somebody who only looks sees of a PostgreSQL database. */
export interface PostgresState extends MigrationState {
  readonly version: string
  /** Milliseconds by which this machine is ahead of it. */
  readonly aheadMs: number
}

/** Look at a database without changing it. @throws DepotError `STORAGE_DOWN` when it cannot be reached */
export async function inspectPostgres(url: string): Promise<PostgresState> {
  await using pool = openPool({ url, poolMax: 1 })
  try {
    // Awaited, or the pool would be closed before the answer.
    return await pool.use(async (client) => {
      const [server] = await client<{ server_version: string }[]>`SHOW server_version`
      return {
        version: server?.server_version ?? '',
        aheadMs: (await measureClock(client)).aheadMs,
        ...migrationState(readMigrations('postgres'), await appliedToPostgres(client)),
      }
    })
  } catch (error) {
    throw explainStart(error, url)
  }
}
