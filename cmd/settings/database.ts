import path from 'node:path'

import { LIMITS } from '../../src/limits.ts'
import { messageOf } from '../../src/thrown.ts'
import { parseDatabaseUrl } from '../../storage/database-url.ts'
import { parsePostgresUrl, withPassword } from '../../storage/kv/postgres/url.ts'
import { UsageError } from '../cli.ts'
import { findPassword } from './database-password.ts'
import type { Environment } from '../environment.ts'
import type { SettingTable, SettingValues } from './settings.ts'

/** Which database, and how much of it. */
export const DATABASE_SETTINGS = {
  'database-url': {
    type: 'string',
    description: 'sqlite:///file or postgres://… (default: depot.db in the store path)',
    hint: 'URL',
  },
  'database-pool': {
    type: 'string',
    description: `Connections to PostgreSQL of this server, divided among its workers (default: ${LIMITS.databaseConnections})`,
    hint: 'NUMBER',
  },
  'database-timeout': {
    type: 'string',
    description: `Seconds after which PostgreSQL gives up a statement (default: ${LIMITS.databaseStatementTimeoutMs / 1000})`,
    hint: 'SECONDS',
  },
} as const satisfies SettingTable

export interface DatabaseConfig {
  /** With its password, wherever that stands: not to be shown. */
  readonly databaseUrl: string
  readonly databasePool: number
  readonly databaseTimeoutMs: number
}

/** @throws UsageError */
export function databaseConfig(
  values: SettingValues,
  env: Environment,
  { home, storePath }: { readonly home: string; readonly storePath: string },
): DatabaseConfig {
  const url = values.get('database-url')?.[0] ?? `sqlite://${path.join(storePath, 'depot.db')}`
  const seconds = values.get('database-timeout')?.[0]
  return {
    databaseUrl: withItsPassword(checkedUrl(url), env, home),
    databasePool: poolOf(values.get('database-pool')?.[0]),
    databaseTimeoutMs: seconds === undefined ? LIMITS.databaseStatementTimeoutMs : timeoutOf(seconds),
  }
}

function checkedUrl(text: string): string {
  try {
    parseDatabaseUrl(text)
    return text
  } catch (error) {
    throw new UsageError(`--database-url: ${messageOf(error)}`)
  }
}

/** As libpq: the URL first, then PGPASSWORD, then the password file. */
function withItsPassword(url: string, env: Environment, home: string): string {
  if (parseDatabaseUrl(url).driver !== 'postgres') return url
  const address = parsePostgresUrl(url)
  if (address.password !== undefined) return url
  const password = findPassword(address, env, home)
  return password === undefined ? url : withPassword(url, password)
}

function poolOf(text: string | undefined): number {
  if (text === undefined) return LIMITS.databaseConnections
  const most = LIMITS.databaseConnectionsMax
  if (/^[1-9]\d{0,4}$/.test(text) && Number(text) <= most) return Number(text)
  throw new UsageError(`--database-pool takes a number from 1 to ${most}, not '${text}'`)
}

function timeoutOf(text: string): number {
  if (/^\d{1,4}(?:\.\d{1,3})?$/.test(text) && Number(text) > 0) return Math.round(Number(text) * 1000)
  throw new UsageError(`--database-timeout takes a number of seconds above 0 and below 10,000, not '${text}'`)
}
