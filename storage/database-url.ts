import { DepotError } from '../src/errors.ts'

/** Where the names are kept, read from `--database-url`. */
export type DatabaseLocation =
  | { readonly driver: 'sqlite'; readonly file: string }
  | { readonly driver: 'postgres'; readonly url: string }

/**
 * Read a database URL: `sqlite:///var/lib/depot/depot.db`, whose path is taken as it is, without percent-decoding, or
 * `postgres://user:password@host:5432/name`, also spelled `postgresql://`, with `?sslmode=` `disable`, `prefer`, `require` or
 * `verify-full`. No message repeats the URL: it may hold a password.
 *
 * @throws DepotError `BAD_REQUEST` for any other.
 */
export function parseDatabaseUrl(text: string): DatabaseLocation {
  if (text.startsWith(SQLITE)) return { driver: 'sqlite', file: sqliteFile(text.slice(SQLITE.length)) }
  if (/^postgres(?:ql)?:\/\//.test(text)) return { driver: 'postgres', url: postgresUrl(text) }
  throw refused('it starts with sqlite:// or postgres://')
}

const SQLITE = 'sqlite://'
const SSL_MODES = ['disable', 'prefer', 'require', 'verify-full']

function sqliteFile(path: string): string {
  if (!path.startsWith('/') || path.endsWith('/')) throw refused('sqlite:// is followed by the absolute path of a file')
  if (path.includes('?')) throw refused('sqlite:// takes no parameters')
  if (path.includes('\0')) throw refused('the path of a file has no NUL')
  return path
}

function postgresUrl(text: string): string {
  const url = URL.parse(text)
  if (url === null || url.hostname === '')
    throw refused('it does not have the form postgres://user:password@host:5432/name')
  if (url.pathname.length < 2 || url.hash !== '')
    throw refused('after the host come a slash and the name of the database')
  for (const [name, value] of url.searchParams) {
    if (name !== 'sslmode') throw refused(`the parameter ${JSON.stringify(name)} is not known: there is sslmode only`)
    if (!SSL_MODES.includes(value)) throw refused(`sslmode is one of ${SSL_MODES.join(', ')}`)
  }
  return text
}

function refused(reason: string): DepotError {
  return new DepotError('BAD_REQUEST', `the database URL cannot be used: ${reason}`)
}
