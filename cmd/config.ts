import path from 'node:path'

import { z } from 'zod'

import { LIMITS } from '../src/limits.ts'
import { parseDatabaseUrl } from '../storage/database-url.ts'
import { UsageError } from './cli.ts'
import type { Environment, SettingTable, SettingValues } from './settings.ts'

/** Where the data lies; `depot serve` and `depot fsck` must agree on it. */
export const STORAGE_SETTINGS = {
  'store-path': { type: 'string', description: 'Folder of the data (default: $XDG_DATA_HOME/depot)', hint: 'DIR' },
  'database-url': {
    type: 'string',
    description: 'sqlite:///file or postgres://… (default: depot.db in the store path)',
    hint: 'URL',
  },
  'storage-type': { type: 'string', description: 'Where blobs lie: fs or memory (default: fs)', hint: 'TYPE' },
} as const satisfies SettingTable

export const SERVE_SETTINGS = {
  'listen-addr': { type: 'string', description: 'Address to listen on (default: 127.0.0.1:8080)', hint: 'HOST:PORT' },
  ...STORAGE_SETTINGS,
  'private-key': {
    type: 'string',
    description: 'Nix secret key file (default: signing.key in the store path, made when absent)',
    hint: 'FILE',
  },
  'public-url': { type: 'string', description: 'URL at which clients reach this depot', hint: 'URL' },
  'allowed-host': { type: 'list', description: 'Host name to answer to besides; repeatable', hint: 'NAME' },
  'insecure-open': { type: 'boolean', description: 'Let everyone who can reach this address read and write' },
  'shutdown-grace': {
    type: 'string',
    description: 'Seconds that running requests get at shutdown (default: 120)',
    hint: 'SECONDS',
  },
  verbose: { type: 'boolean', description: 'Log every refusal and every blob as well' },
} as const satisfies SettingTable

export interface StorageConfig {
  readonly storePath: string
  readonly databaseUrl: string
  readonly storageType: 'fs' | 'memory'
}

export interface ServeConfig extends StorageConfig {
  /** Undefined = every address of this machine. */
  readonly host: string | undefined
  readonly port: number
  readonly loopback: boolean
  /** Nix secret key file; made at the first start when it lies at its own place. */
  readonly privateKey: { readonly file: string; readonly mayCreate: boolean }
  readonly publicUrl: string | undefined
  readonly allowedHosts: readonly string[]
  readonly insecureOpen: boolean
  readonly graceMs: number
  readonly verbose: boolean
}

/** @throws UsageError */
export function storageConfig(values: SettingValues, env: Environment, home: string): StorageConfig {
  const dataHome = env['XDG_DATA_HOME'] ?? path.join(home, '.local', 'share')
  const storePath = path.resolve(one(values, 'store-path') ?? path.join(dataHome, 'depot'))
  const storageType = check('storage-type', STORAGE_TYPE, one(values, 'storage-type') ?? 'fs')
  return {
    storePath,
    databaseUrl: databaseUrlOf(one(values, 'database-url') ?? `sqlite://${path.join(storePath, 'depot.db')}`),
    storageType,
  }
}

/**
 * What `depot serve` runs with, checked across settings.
 *
 * @throws UsageError saying which setting and what it takes.
 */
export function serveConfig(values: SettingValues, env: Environment, home: string): ServeConfig {
  const storage = storageConfig(values, env, home)
  const { host, port } = parseListenAddr(one(values, 'listen-addr') ?? '127.0.0.1:8080')
  const config: ServeConfig = {
    ...storage,
    host,
    port,
    loopback: host !== undefined && LOOPBACK.test(host),
    privateKey: privateKeyOf(one(values, 'private-key'), storage.storePath),
    publicUrl: publicUrlOf(one(values, 'public-url')),
    allowedHosts: values.get('allowed-host') ?? [],
    insecureOpen: flagOf(values, 'insecure-open'),
    graceMs: graceMsOf(one(values, 'shutdown-grace')),
    verbose: flagOf(values, 'verbose'),
  }
  refuseOpenDoor(config)
  return config
}

/** Whoever reaches an open depot may replace what others install, so that must be asked for in so many words. */
function refuseOpenDoor({ loopback, insecureOpen, host }: ServeConfig): void {
  if (loopback || insecureOpen) return
  throw new UsageError(
    `listening on ${host ?? 'every address'} would let everyone who can reach it read and write: ` +
      'listen on 127.0.0.1, or say --insecure-open if that is what you want',
  )
}

const LOOPBACK = /^(?:localhost|127(?:\.\d{1,3}){3}|::1)$/
const LISTEN_ADDR = /^(?:\[(?<six>[0-9a-f:.]+)\]|(?<name>[a-z0-9.-]*)):(?<port>\d{1,5})$/i

/** `127.0.0.1:8080`, `[::1]:8080`, or `:8080` for every address. @throws UsageError */
export function parseListenAddr(text: string): { readonly host: string | undefined; readonly port: number } {
  const groups = LISTEN_ADDR.exec(text)?.groups
  const port = Number(groups?.['port'] ?? NaN)
  if (groups === undefined || port > 65_535)
    throw new UsageError(`--listen-addr takes HOST:PORT or :PORT, not '${text}'`)
  const host = groups['six'] ?? groups['name'] ?? ''
  return { host: host === '' ? undefined : host, port }
}

function databaseUrlOf(text: string): string {
  try {
    parseDatabaseUrl(text)
    return text
  } catch (error) {
    throw new UsageError(`--database-url: ${error instanceof Error ? error.message : String(error)}`)
  }
}

function privateKeyOf(named: string | undefined, storePath: string): ServeConfig['privateKey'] {
  return named === undefined
    ? { file: path.join(storePath, 'signing.key'), mayCreate: true }
    : { file: path.resolve(named), mayCreate: false }
}

function publicUrlOf(text: string | undefined): string | undefined {
  if (text === undefined) return undefined
  const url = URL.parse(text)
  const plain =
    url !== null &&
    ['http:', 'https:'].includes(url.protocol) &&
    url.username === '' &&
    url.search === '' &&
    url.hash === ''
  if (!plain) throw new UsageError(`--public-url takes an http(s) URL without credentials or query, not '${text}'`)
  return url.href.replace(/\/$/, '')
}

function one(values: SettingValues, name: string): string | undefined {
  return values.get(name)?.[0]
}

function flagOf(values: SettingValues, name: string): boolean {
  return check(name, SWITCH, one(values, name) ?? 'false')
}

function graceMsOf(seconds: string | undefined): number {
  return seconds === undefined ? LIMITS.shutdownGraceMs : 1000 * check('shutdown-grace', GRACE_SECONDS, seconds)
}

// zod's own messages speak of JavaScript's types.
const STORAGE_TYPE = z.enum(['fs', 'memory'], { error: 'fs or memory' })
const SWITCH = z.stringbool({ error: 'true or false' })
const GRACE_SECONDS = z
  .string()
  .regex(/^\d{1,5}(?:\.\d+)?$/, { error: 'a number of seconds below 100,000' })
  .transform(Number)

function check<T>(name: string, schema: z.ZodType<T>, value: string): T {
  const result = schema.safeParse(value)
  if (result.success) return result.data
  throw new UsageError(`--${name} takes ${result.error.issues[0]?.message ?? 'another value'}, not '${value}'`)
}
