import { DepotError } from '../../src/errors.ts'

/**
 * SQLSTATE classes that speak of the server's state and not of a mistake in a statement (PostgreSQL manual, appendix A):
 * connection, credentials, no such database, read-only, rollback, resources, not in the right state, cancelled, system, internal.
 */
const DOWN = ['08', '28', '3D', '25', '40', '53', '55', '57', '58', 'XX']
const DISK_FULL = '53100'

/** The one place where PostgreSQL's and the driver's errors become DepotErrors; anything else is a bug and stays. */
export function postgresError(error: unknown): unknown {
  const state = sqlState(error)
  if (state === DISK_FULL) {
    return new DepotError('STORAGE_FULL', 'the disk of the database is full: free some space and try again', {
      cause: error,
    })
  }
  const reason = state === undefined ? connectionFailure(error) : DOWN.includes(state.slice(0, 2)) ? state : undefined
  if (reason === undefined) return error
  return new DepotError('STORAGE_DOWN', `the database cannot be used (${reason}): try again later`, { cause: error })
}

/** True for a deadlock or a serialisation failure: nothing was done, and doing it again may succeed. */
export function isWorthRepeating(error: unknown): boolean {
  const state = sqlState(error)
  return state === '40P01' || state === '40001'
}

/** True when a connection was not ready in time. */
export function isConnectTimeout(error: unknown): boolean {
  return connectionFailure(error) === 'CONNECT_TIMEOUT'
}

/** What the server said. */
function sqlState(error: unknown): string | undefined {
  return error instanceof Error && error.name === 'PostgresError' ? codeOf(error) : undefined
}

/** Names of the driver, of errno and of TLS; those of JavaScript's own mistakes are none of them. */
const CONNECTION =
  /^(?:CONNECTION_[A-Z]+|CONNECT_TIMEOUT|E(?!RR_)[A-Z]+|(?:CERT|DEPTH|SELF|UNABLE|ERR_TLS|ERR_SSL)_\w+)$/

/** What kept us from talking to the server. */
function connectionFailure(error: unknown): string | undefined {
  const code = error instanceof Error ? codeOf(error) : undefined
  return code !== undefined && CONNECTION.test(code) ? code : undefined
}

function codeOf(error: Error): string | undefined {
  return 'code' in error && typeof error.code === 'string' ? error.code : undefined
}
