import { DepotError } from '../../../src/errors.ts'
import { parsePostgresUrl, type PostgresAddress } from './url.ts'
import { demandPrimary, STANDBY, type Client } from './connect.ts'
import { connectionFailure, ERRNO, sqlState, TLS } from './errors.ts'
import { explainPooler } from './pooler.ts'

/** `server_version_num` of the oldest that the statements of ours are tried with. */
const OLDEST = 130_000

interface ServerRow {
  readonly version: number
  readonly readonly: string
}

/**
 * Look whether a server can serve before anything of it is changed.
 *
 * @throws DepotError `STORAGE_DOWN` for one that is too old, or that lets this user change nothing; as the driver does for a standby
 */
export async function demandServer(client: Client): Promise<void> {
  await demandPrimary(client)
  const [row] = await client<ServerRow[]>`
    SELECT current_setting('server_version_num')::int AS version,
      current_setting('transaction_read_only') AS readonly`
  if (row === undefined) throw new Error('a SELECT without FROM has one row')
  if (row.version < OLDEST)
    throw down(
      `PostgreSQL ${Math.floor(row.version / 10_000)} is too old: version ${OLDEST / 10_000} or newer is needed`,
    )
  if (row.readonly === 'on')
    throw down(
      'the database lets this user change nothing: default_transaction_read_only is on for the user, the database, or the server',
    )
}

/**
 * What kept a server from opening its database, as one line that says which setting to look at. No line repeats the URL: it may hold a
 * password.
 */
export function explainStart(error: unknown, url: string): unknown {
  const reason = error instanceof DepotError ? error.cause : error
  const state = sqlState(reason)
  const failure = state === undefined ? connectionFailure(reason) : undefined
  const text = explanation(state ?? failure ?? '', reason, parsePostgresUrl(url))
  return text === undefined ? error : down(text, reason)
}

function explanation(code: string, reason: unknown, address: PostgresAddress): string | undefined {
  const { host, port, database, sslMode } = address
  const where = host.startsWith('/') ? `${host}/.s.PGSQL.${port}` : `${host}:${port}`
  const user = address.user === undefined ? 'the user that runs this' : `user ${JSON.stringify(address.user)}`
  const name = JSON.stringify(database)
  const said = reason instanceof Error ? reason.message : ''
  switch (code) {
    case '28P01':
      return `PostgreSQL at ${where} does not take the password of ${user}: see --database-url, PGPASSWORD or ~/.pgpass`
    case '28000':
      return `PostgreSQL at ${where} does not let ${user} in (${said}): see the user of --database-url, and pg_hba.conf of the server`
    case '3D000':
      return `PostgreSQL at ${where} has no database ${name}: make it (createdb -E UTF8 ${database}), or name another with --database-url`
    case '42501':
      return `${user} has not the rights that are needed in database ${name} (${said}): ${rightsFor(said, address.user ?? 'its name')}`
    case '3F000':
      return `database ${name} has no schema in which ${user} may make tables: CREATE SCHEMA public, or set a search_path`
    case '53300':
      return `PostgreSQL at ${where} has no connection left: lower --database-pool of the servers, or raise max_connections`
    case '57P03':
      return `PostgreSQL at ${where} is starting or stopping (${said}): try again in a moment`
    case '08P01':
      return explainPooler(said) ?? `what answers at ${where} is no PostgreSQL server, or a pooler (${said})`
    case 'ERR_TLS_REFUSED':
      return `PostgreSQL at ${where} does not encrypt, and --database-url says sslmode=${sslMode}`
    case STANDBY:
      return 'the server of --database-url is a standby, which takes no changes: name the primary'
    case 'CONNECT_TIMEOUT':
      return `nothing answers at ${where} in time (${code}): see the host and port of --database-url, and connect_timeout`
    case '':
      return undefined
  }
  if (TLS.test(code))
    return `the certificate of PostgreSQL at ${where} cannot be trusted (${code}): see sslmode in --database-url, and NODE_EXTRA_CA_CERTS`
  if (ERRNO.test(code))
    return `PostgreSQL cannot be reached at ${where} (${code}): is it running, and are host and port of --database-url right?`
  return undefined
}

/** Tables that are there need less than tables that are to be made. */
function rightsFor(said: string, user: string): string {
  const role = JSON.stringify(user)
  return said.includes('for table')
    ? `as their owner GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO ${role}`
    : `make it the owner of the database, or GRANT CREATE ON SCHEMA public TO ${role}`
}

function down(message: string, cause?: unknown): DepotError {
  return new DepotError('STORAGE_DOWN', message, cause === undefined ? {} : { cause })
}
