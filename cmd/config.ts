import { availableParallelism } from 'node:os'
import path from 'node:path'

import { z } from 'zod'

import { parsePublicKey } from '../protocols/nix/signing.ts'
import { LIMITS } from '../src/limits.ts'
import { isLoopback } from '../src/network.ts'
import { clientAddress } from '../src/node/client-address.ts'
import { messageOf } from '../src/thrown.ts'
import { parseDatabaseUrl } from '../storage/database-url.ts'
import { UsageError } from './cli.ts'
import { dataHome } from './home.ts'
import type { Environment, SettingTable, SettingValues } from './settings.ts'

/** Where the data lies; `depot serve` and `depot fsck` must agree on it. */
export const STORAGE_SETTINGS = {
  'store-path': { type: 'string', description: 'Folder of the data (default: $XDG_DATA_HOME/depot)', hint: 'DIR' },
  'database-url': {
    type: 'string',
    description: 'sqlite:///file or postgres://… (default: depot.db in the store path)',
    hint: 'URL',
  },
  'storage-type': { type: 'string', description: 'Where blobs lie (default: fs)', words: ['fs', 'memory'] },
} as const satisfies SettingTable

export const SERVE_SETTINGS = {
  'listen-addr': { type: 'string', description: 'Address to listen on (default: 127.0.0.1:8080)', hint: 'HOST:PORT' },
  ...STORAGE_SETTINGS,
  'private-key': {
    type: 'list',
    description:
      'Nix secret key file; repeatable, every key signs every path (default: signing.key, signing-2.key, … in the store path; the first is made)',
    hint: 'FILE',
  },
  'trusted-public-key': {
    type: 'list',
    description: 'Nix public key of somebody else: signatures of it that come with a path are kept; repeatable',
    hint: 'NAME:BASE64',
  },
  'require-trusted-signature': {
    type: 'boolean',
    description: 'Take a Nix path only with such a signature, or when its name is a hash of its content',
  },
  'require-references': {
    type: 'boolean',
    description: 'Take a Nix path only when all that it refers to is here (default: true; =false for partial closures)',
  },
  'nix-store': {
    type: 'string',
    description: 'Serve the valid paths of this Nix store as well: / for that of the host, or the root of another',
    hint: 'DIR',
  },
  'npm-keys': {
    type: 'list',
    description:
      'Keys of another npm registry, as its /-/npm/v1/keys answers: signatures of packages from there verify; repeatable',
    hint: 'FILE',
  },
  'npm-advisories': {
    type: 'string',
    description:
      'What npm audit is answered from: OSV records (JSON, JSON lines, or a folder of *.json) or a saved bulk answer',
    hint: 'PATH',
  },
  'auth-file': {
    type: 'string',
    description: "SSH public keys that may read or write, one a line: 'w ssh-ed25519 AAAA… comment'",
    hint: 'FILE',
  },
  'read-auth': {
    type: 'string',
    description: 'Whether reads need credentials (default: auto: when the auth file has an r key)',
    words: ['auto', 'always', 'never'],
  },
  audience: {
    type: 'list',
    description: 'Further origin that logins may be made for (default: that of the public URL); repeatable',
    hint: 'ORIGIN',
  },
  'trusted-proxy': {
    type: 'list',
    description: 'Reverse proxy whose X-Forwarded-For is believed, as address or range; repeatable',
    hint: 'CIDR',
  },
  'public-url': { type: 'string', description: 'URL at which clients reach this depot', hint: 'URL' },
  'allowed-host': { type: 'list', description: 'Host name to answer to besides; repeatable', hint: 'NAME' },
  workers: {
    type: 'string',
    description: 'Processes that serve side by side, or auto for one a core (default: 1)',
    hint: 'NUMBER',
  },
  'insecure-open': { type: 'boolean', description: 'Let everyone who can reach this address read and write' },
  'shutdown-grace': {
    type: 'string',
    description: 'Seconds that running requests get at shutdown (default: 120)',
    hint: 'SECONDS',
  },
  verbose: { type: 'boolean', description: 'Log every refusal and every blob as well' },
} as const satisfies SettingTable

/** Whether reads need credentials; `auto` = when the auth file has a key that may only read. */
export type ReadAuth = 'auto' | 'always' | 'never'

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
  /** Nix secret key files; undefined = those of the store path, where the first start makes one. */
  readonly privateKeyFiles: readonly string[] | undefined
  /** Nix public keys, `name:base64`, whose signatures are kept. */
  readonly trustedPublicKeys: readonly string[]
  readonly requireTrustedSignature: boolean
  readonly requireReferences: boolean
  /** Root of a Nix store that is read through to. */
  readonly nixStore: string | undefined
  /** Answers of other registries' `/-/npm/v1/keys`. */
  readonly npmKeyFiles: readonly string[]
  /** A file or a folder of advisories about npm packages. */
  readonly npmAdvisories: string | undefined
  readonly publicUrl: string | undefined
  readonly allowedHosts: readonly string[]
  readonly insecureOpen: boolean
  /** Undefined = nobody is asked for credentials. */
  readonly authFile: string | undefined
  readonly readAuth: ReadAuth
  /** Origins that logins are made for; empty = the request's Host, which only loopback may do. */
  readonly audiences: readonly string[]
  readonly trustedProxies: readonly string[]
  /** Processes that serve; 1 = this one alone. */
  readonly workers: number
  readonly graceMs: number
  readonly verbose: boolean
}

/** @throws UsageError */
export function storageConfig(values: SettingValues, env: Environment, home: string): StorageConfig {
  const storePath = path.resolve(one(values, 'store-path') ?? path.join(dataHome(env, home), 'depot'))
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
  const publicUrl = publicUrlOf(one(values, 'public-url'))
  const authFile = one(values, 'auth-file')
  const nixStore = one(values, 'nix-store')
  const advisories = one(values, 'npm-advisories')
  const config: ServeConfig = {
    ...storage,
    host,
    port,
    loopback: host !== undefined && isLoopback(host),
    privateKeyFiles: privateKeyFilesOf(values),
    trustedPublicKeys: trustedPublicKeysOf(values.get('trusted-public-key') ?? []),
    requireTrustedSignature: flagOf(values, 'require-trusted-signature'),
    requireReferences: flagOf(values, 'require-references', 'true'),
    nixStore: nixStore === undefined ? undefined : path.resolve(nixStore),
    npmKeyFiles: (values.get('npm-keys') ?? []).map((file) => path.resolve(file)),
    npmAdvisories: advisories === undefined ? undefined : path.resolve(advisories),
    publicUrl,
    allowedHosts: values.get('allowed-host') ?? [],
    insecureOpen: flagOf(values, 'insecure-open'),
    authFile: authFile === undefined ? undefined : path.resolve(authFile),
    readAuth: check('read-auth', READ_AUTH, one(values, 'read-auth') ?? 'auto'),
    audiences: audiencesOf(publicUrl, values.get('audience') ?? []),
    trustedProxies: trustedProxiesOf(values.get('trusted-proxy') ?? []),
    workers: workersOf(one(values, 'workers')),
    graceMs: graceMsOf(one(values, 'shutdown-grace')),
    verbose: flagOf(values, 'verbose'),
  }
  refuseOpenDoor(config)
  if (config.requireTrustedSignature && config.trustedPublicKeys.length === 0)
    throw new UsageError('--require-trusted-signature needs --trusted-public-key: whose signature?')
  if (config.workers > 1 && config.storageType === 'memory')
    throw new UsageError('--storage-type memory is the memory of one process: it does not go with --workers')
  return config
}

/** Where the keys of a server with these settings lie. @throws UsageError */
export function keyPlace(
  values: SettingValues,
  env: Environment,
  home: string,
): Pick<ServeConfig, 'storePath' | 'privateKeyFiles'> {
  return { storePath: storageConfig(values, env, home).storePath, privateKeyFiles: privateKeyFilesOf(values) }
}

/** Whoever reaches an open depot may replace what others install, so that must be asked for in so many words. */
function refuseOpenDoor({ loopback, insecureOpen, host, authFile, readAuth, audiences }: ServeConfig): void {
  if (authFile !== undefined && insecureOpen)
    throw new UsageError('--auth-file and --insecure-open contradict each other: give one of them')
  if (authFile === undefined && readAuth === 'always')
    throw new UsageError('--read-auth always needs --auth-file: without it nobody could show anything')
  if (loopback) return
  if (authFile === undefined && !insecureOpen) {
    throw new UsageError(
      `listening on ${host ?? 'every address'} would let everyone who can reach it read and write: give --auth-file, ` +
        'listen on 127.0.0.1, or say --insecure-open if that is what you want',
    )
  }
  // A login made for another server must not be good here, so the depot has to know its own name.
  if (authFile !== undefined && audiences.length === 0)
    throw new UsageError(
      `with --auth-file on ${host ?? 'every address'} say --public-url, which logins are made for (or --audience)`,
    )
}

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
    throw new UsageError(`--database-url: ${messageOf(error)}`)
  }
}

function privateKeyFilesOf(values: SettingValues): ServeConfig['privateKeyFiles'] {
  return values.get('private-key')?.map((file) => path.resolve(file))
}

function trustedPublicKeysOf(keys: readonly string[]): readonly string[] {
  try {
    return keys.map((key) => parsePublicKey(key).publicKey)
  } catch (error) {
    throw new UsageError(`--trusted-public-key: ${messageOf(error)}`)
  }
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

function audiencesOf(publicUrl: string | undefined, more: readonly string[]): readonly string[] {
  const own = publicUrl === undefined ? [] : [new URL(publicUrl).origin]
  return [...own, ...more.map(audienceOf)]
}

function audienceOf(text: string): string {
  const url = URL.parse(text)
  if (url === null || !['http:', 'https:'].includes(url.protocol) || text.replace(/\/$/, '') !== url.origin)
    throw new UsageError(`--audience takes an origin like https://depot.example.org, not '${text}'`)
  return url.origin
}

function trustedProxiesOf(ranges: readonly string[]): readonly string[] {
  try {
    clientAddress(ranges)
    return ranges
  } catch (error) {
    throw new UsageError(`--trusted-proxy: ${messageOf(error)}`)
  }
}

function one(values: SettingValues, name: string): string | undefined {
  return values.get(name)?.[0]
}

function flagOf(values: SettingValues, name: string, absent: 'true' | 'false' = 'false'): boolean {
  return check(name, SWITCH, one(values, name) ?? absent)
}

function graceMsOf(seconds: string | undefined): number {
  return seconds === undefined ? LIMITS.shutdownGraceMs : 1000 * check('shutdown-grace', GRACE_SECONDS, seconds)
}

function workersOf(text: string | undefined): number {
  if (text === 'auto') return Math.min(availableParallelism(), LIMITS.workersMax)
  return text === undefined ? 1 : check('workers', WORKERS, text)
}

// zod's own messages speak of JavaScript's types.
const STORAGE_TYPE = z.enum(STORAGE_SETTINGS['storage-type'].words, { error: 'fs or memory' })
const READ_AUTH = z.enum(SERVE_SETTINGS['read-auth'].words, { error: 'auto, always or never' })
const SWITCH = z.stringbool({ error: 'true or false' })
const WORKERS_ERROR = { error: `auto, or a number from 1 to ${LIMITS.workersMax}` }
const WORKERS = z
  .string()
  .regex(/^[1-9]\d{0,2}$/, WORKERS_ERROR)
  .transform(Number)
  .pipe(z.number().max(LIMITS.workersMax, WORKERS_ERROR))
const GRACE_SECONDS = z
  .string()
  .regex(/^\d{1,5}(?:\.\d+)?$/, { error: 'a number of seconds below 100,000' })
  .transform(Number)

function check<T>(name: string, schema: z.ZodType<T>, value: string): T {
  const result = schema.safeParse(value)
  if (result.success) return result.data
  throw new UsageError(`--${name} takes ${result.error.issues[0]?.message ?? 'another value'}, not '${value}'`)
}
