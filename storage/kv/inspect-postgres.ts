import { readMigrations } from './migrate.ts'
import { openPool } from './postgres-client.ts'

/** What somebody who only looks sees of a PostgreSQL database. */
export interface PostgresState {
  readonly version: string
  /** Changes of the schema that this version would make at its start. */
  readonly pending: readonly string[]
  /** Changes that this version does not know. */
  readonly unknown: readonly string[]
}

/** Look at a database without changing it. @throws DepotError `STORAGE_DOWN` when it cannot be reached */
export async function inspectPostgres(url: string): Promise<PostgresState> {
  await using pool = openPool({ url, poolMax: 1 })
  return pool.use(async (client) => {
    const [server] = await client<{ server_version: string }[]>`SHOW server_version`
    const [table] = await client<{ found: string | null }[]>`SELECT to_regclass('migration')::text AS found`
    const rows = table?.found == null ? [] : await client<{ name: string }[]>`SELECT name FROM migration`
    const applied = rows.map(({ name }) => name)
    const known = readMigrations('postgres').map(({ name }) => name)
    return {
      version: server?.server_version ?? '',
      pending: known.filter((name) => !applied.includes(name)),
      unknown: applied.filter((name) => !known.includes(name)),
    }
  })
}
