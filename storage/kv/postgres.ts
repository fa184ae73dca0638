import { DepotError } from '../../src/errors.ts'
import type { KvStore } from '../../src/kv-store.ts'

export interface PostgresKvOptions {
  /** `postgres://user:password@host:port/database`. */
  readonly url: string
  /** Connections of this process at most; `LIMITS.databaseConnections` when absent. */
  readonly poolMax?: number
}

export async function openPostgresKv(_options: PostgresKvOptions): Promise<KvStore> {
  throw new DepotError('STORAGE_DOWN', 'PostgreSQL comes with the next commit')
}
