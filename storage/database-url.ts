import { DepotError } from '../src/errors.ts'
import { parsePostgresUrl } from './kv/postgres/url.ts'

/** Where the names are kept, read from `--database-url`. */
export type DatabaseLocation =
  | { readonly driver: 'sqlite'; readonly file: string }
  | { readonly driver: 'postgres'; readonly url: string }

/**
 * Read a database URL: `sqlite:///var/lib/depot/depot.db`, whose path is taken as it is, without percent-decoding, or
 * `postgres://user:password@host:5432/name`, also spelled `postgresql://`, as `parsePostgresUrl` reads it. No message repeats the URL: it may hold a password.
 *
 * @throws DepotError `BAD_REQUEST` for any other.
 */
export function parseDatabaseUrl(text: string): DatabaseLocation {
  if (text.startsWith(SQLITE)) return { driver: 'sqlite', file: sqliteFile(text.slice(SQLITE.length)) }
  if (/^postgres(?:ql)?:\/\//.test(text)) {
    parsePostgresUrl(text)
    return { driver: 'postgres', url: text }
  }
  throw refused('it starts with sqlite:// or postgres://')
}

const SQLITE = 'sqlite://'

function sqliteFile(path: string): string {
  if (!path.startsWith('/') || path.endsWith('/')) throw refused('sqlite:// is followed by the absolute path of a file')
  if (path.includes('?')) throw refused('sqlite:// takes no parameters')
  if (path.includes('\0')) throw refused('the path of a file has no NUL')
  return path
}

function refused(reason: string): DepotError {
  return new DepotError('BAD_REQUEST', `the database URL cannot be used: ${reason}`)
}
