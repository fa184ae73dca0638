import { DepotError } from '../../../src/errors.ts'

/** As libpq has them; `require` encrypts without looking at the certificate. */
export type SslMode = (typeof SSL_MODES)[number]

/** Where a PostgreSQL database is, and as whom it is used. */
export interface PostgresAddress {
  /** A name or an address, or the folder of a Unix socket, which begins with a slash. */
  readonly host: string
  readonly port: number
  /** Undefined = as the operating system calls whoever runs this. */
  readonly user: string | undefined
  readonly password: string | undefined
  readonly database: string
  readonly sslMode: SslMode
  /** What `pg_stat_activity` shows. */
  readonly applicationName: string
  /** Undefined = as long as the depot finds sensible. */
  readonly connectTimeoutMs: number | undefined
}

const SSL_MODES = ['disable', 'prefer', 'require', 'verify-full'] as const
const PARAMETERS = ['host', 'port', 'user', 'password', 'sslmode', 'application_name', 'connect_timeout']
const FORM = 'it does not have the form postgres://user:password@host:5432/name'

/**
 * Read the URL of a PostgreSQL database as psql does (PostgreSQL manual, Connection URIs), with one host, and with these parameters only:
 * `host` (also the folder of a Unix socket), `port`, `user`, `password`, `sslmode`, `application_name`, `connect_timeout` in seconds. No message
 * repeats a part that may hold a password.
 *
 * @throws DepotError `BAD_REQUEST`
 */
export function parsePostgresUrl(text: string): PostgresAddress {
  const url = URL.parse(text)
  if (url === null) throw refused(text.includes('[') ? FORM : refusedForm(text))
  const parameters = readParameters(url.searchParams)
  const host = parameters.get('host') ?? decoded(url.hostname).replace(/^\[(.*)\]$/, '$1')
  if (host === '') throw refused('it names no host: write localhost, or ?host=/run/postgresql for a Unix socket')
  if (host.includes(',')) throw refused('it names several hosts, and one is taken: that of the primary')
  const database = decoded(url.pathname.slice(1))
  if (database === '' || url.hash !== '') throw refused('after the host come a slash and the name of the database')
  for (const part of [host, database, ...parameters.values()])
    if (part.includes('\0')) throw refused('no part of it has a NUL')
  return {
    host,
    port: portOf(parameters.get('port') ?? url.port),
    user: parameters.get('user') ?? (decoded(url.username) || undefined),
    password: parameters.get('password') ?? (decoded(url.password) || undefined),
    database,
    // As psql does it when the URL does not say otherwise: encrypted where the server can. A Unix socket leaves no machine.
    sslMode: host.startsWith('/') ? 'disable' : sslModeOf(parameters.get('sslmode') ?? 'prefer'),
    applicationName: parameters.get('application_name') ?? 'depot',
    connectTimeoutMs: connectTimeoutOf(parameters.get('connect_timeout')),
  }
}

/** The URL with this password, where it has none. */
export function withPassword(text: string, password: string): string {
  if (parsePostgresUrl(text).password !== undefined) return text
  return `${text}${text.includes('?') ? '&' : '?'}password=${encodeURIComponent(password)}`
}

/** URL parsers take no empty host behind a user, which psql does. */
function refusedForm(text: string): string {
  return /^\w+:\/\/[^/@]*@(?::\d+)?\//.test(text)
    ? 'a user without a host is written as a parameter: postgres:///name?host=/run/postgresql&user=…'
    : FORM
}

function readParameters(given: URLSearchParams): ReadonlyMap<string, string> {
  const parameters = new Map<string, string>()
  for (const [name, value] of given) {
    if (!PARAMETERS.includes(name))
      throw refused(`the parameter ${JSON.stringify(name)} is not known: there are ${PARAMETERS.join(', ')}`)
    if (parameters.has(name)) throw refused(`the parameter ${JSON.stringify(name)} stands there twice`)
    parameters.set(name, value)
  }
  return parameters
}

function sslModeOf(text: string): SslMode {
  const mode = SSL_MODES.find((one) => one === text)
  if (mode === undefined) throw refused(`sslmode is one of ${SSL_MODES.join(', ')}`)
  return mode
}

function portOf(text: string): number {
  const port = text === '' ? 5432 : Number(text)
  if (/^\d*$/.test(text) && port >= 1 && port <= 65_535) return port
  throw refused('port is a number from 1 to 65535')
}

/** libpq: 0 waits for ever, which nobody wants of a server; at least a second here. */
function connectTimeoutOf(text: string | undefined): number | undefined {
  if (text === undefined) return undefined
  if (/^[1-9]\d{0,3}$/.test(text)) return Number(text) * 1000
  throw refused('connect_timeout is a number of seconds from 1 to 9999')
}

function decoded(part: string): string {
  try {
    return decodeURIComponent(part)
  } catch {
    throw refused('a % in it is not followed by two hexadecimal digits: one that is meant is written as %25')
  }
}

function refused(reason: string): DepotError {
  return new DepotError('BAD_REQUEST', `the database URL cannot be used: ${reason}`)
}
