import { DepotError } from '../../../src/errors.ts'

/**
 * SQLSTATE classes that speak of the server's state and not of a mistake in a statement (PostgreSQL manual, appendix A):
 * connection, credentials, no such database, read-only, rollback, resources, not in the right state, cancelled, system, internal.
 */
const DOWN = ['08', '28', '3D', '25', '40', '53', '55', '57', '58', 'XX']
const DISK_FULL = '53100'
/** No such table, and no rights to it: the start found both, so somebody restores the database, or took something away. */
const TAKEN_AWAY = ['42P01', '42501']

/** The one place where PostgreSQL's and the driver's errors become DepotErrors; anything else is a bug and stays. */
export function postgresError(error: unknown): unknown {
  const state = sqlState(error)
  if (state === DISK_FULL) {
    return new DepotError('STORAGE_FULL', 'the disk of the database is full: free some space and try again', {
      cause: error,
    })
  }
  const reason = state === undefined ? connectionFailure(error) : isDown(state) ? state : undefined
  if (reason === undefined) return error
  return new DepotError('STORAGE_DOWN', `the database cannot be used (${reason}): try again later`, { cause: error })
}

function isDown(state: string): boolean {
  return DOWN.includes(state.slice(0, 2)) || TAKEN_AWAY.includes(state)
}

/** True for a deadlock or a serialisation failure: nothing was done, and doing it again may succeed. */
export function isWorthRepeating(error: unknown): boolean {
  const state = sqlState(error)
  return state === '40P01' || state === '40001'
}

/** True when the connection broke, or could not be made because the server starts or stops: nothing more comes over it. */
export function isBroken(error: unknown): boolean {
  const reason = error instanceof DepotError ? error.cause : error
  const state = sqlState(reason)
  return state === undefined ? connectionFailure(reason) !== undefined : BROKEN.includes(state)
}

/** Told to end, crashed, starting or stopping (PostgreSQL manual, appendix A). */
const BROKEN = ['57P01', '57P02', '57P03']

/** True when a connection may only read: another one may do more, once the setting is taken back or the server is no standby any more. */
export function mayOnlyRead(error: unknown): boolean {
  return sqlState(error) === '25006'
}

/** SQLSTATE of what the server said. */
export function sqlState(error: unknown): string | undefined {
  return error instanceof Error && error.name === 'PostgresError' ? codeOf(error) : undefined
}

/** Names of the driver. */
const DRIVER = /^(?:CONNECTION_[A-Z]+|CONNECT_TIMEOUT)$/
/** Names of errno and of the resolver; those of JavaScript's own mistakes are none of them. */
export const ERRNO = /^E(?!RR_)[A-Z_]+$/
/** What TLS does not like. */
export const TLS = /^(?:CERT|DEPTH|SELF|UNABLE|ERR_TLS|ERR_SSL)_\w+$/

/** Code of what kept us from talking to the server. */
export function connectionFailure(error: unknown): string | undefined {
  const code = error instanceof Error ? codeOf(error) : undefined
  return code !== undefined && [DRIVER, ERRNO, TLS].some((names) => names.test(code)) ? code : undefined
}

function codeOf(error: Error): string | undefined {
  return 'code' in error && typeof error.code === 'string' ? error.code : undefined
}
