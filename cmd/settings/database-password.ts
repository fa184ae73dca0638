import { readFileSync, statSync } from 'node:fs'
import { userInfo } from 'node:os'
import path from 'node:path'

import type { PostgresAddress } from '../../storage/kv/postgres/url.ts'
import type { Environment } from '../environment.ts'

/**
 * The password that psql would use where the URL has none: PGPASSWORD, or the first line of PGPASSFILE (else `~/.pgpass`) that fits. A file
 * that others may read does not count (PostgreSQL manual, The Password File).
 */
export function findPassword(
  address: Pick<PostgresAddress, 'host' | 'port' | 'database' | 'user'>,
  env: Environment,
  home: string,
): string | undefined {
  const own = env['PGPASSWORD']
  if (own !== undefined && own !== '') return own
  const text = privateText(env['PGPASSFILE'] ?? path.join(home, '.pgpass'))
  return text === undefined ? undefined : passwordIn(text, { ...address, user: address.user ?? userInfo().username })
}

/** The password of the first line `host:port:database:user:password` that fits; `*` fits everything. Pure. */
export function passwordIn(
  text: string,
  { host, port, database, user }: Pick<PostgresAddress, 'host' | 'port' | 'database'> & { readonly user: string },
): string | undefined {
  // Sockets in PostgreSQL's own folders are called localhost there.
  const hosts = SOCKET_FOLDERS.includes(host) ? [host, 'localhost'] : [host]
  const wanted = [hosts, [String(port)], [database], [user]]
  for (const line of text.split(/\r?\n/)) {
    if (line === '' || line.startsWith('#')) continue
    const fields = line.match(/(?:\\.|[^:\\])*(?::|$)/g)?.map((field) => field.replace(/:$/, '')) ?? []
    const fits = wanted.every(
      (values, place) => fields[place] === '*' || values.includes(unescaped(fields[place] ?? '')),
    )
    if (fits && fields[4] !== undefined && fields[4] !== '') return unescaped(fields[4])
  }
  return undefined
}

const SOCKET_FOLDERS = ['/tmp', '/run/postgresql', '/var/run/postgresql']

function unescaped(field: string): string {
  return field.replace(/\\(.)/g, '$1')
}

function privateText(file: string): string | undefined {
  try {
    return (statSync(file).mode & 0o077) === 0 ? readFileSync(file, 'utf8') : undefined
  } catch {
    return undefined
  }
}
