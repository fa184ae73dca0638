import { availableParallelism } from 'node:os'
import path from 'node:path'

import { z } from 'zod'

import { parsePublicKey } from '../../protocols/nix/signing.ts'
import { LIMITS } from '../../src/limits.ts'
import { isLoopback } from '../../src/network.ts'
import { messageOf } from '../../src/thrown.ts'
import type { S3Options } from '../../storage/blob/s3/options.ts'
import { audiencesOf, parseListenAddr, publicUrlOf, trustedProxiesOf } from './addresses.ts'
import { UsageError } from '../cli.ts'
import type { ServeConfig, StorageConfig } from './config.ts'
import { refuseContradictions } from './contradictions.ts'
import { databaseConfig } from './database.ts'
import { dataHome, type Environment } from '../environment.ts'
import { redirectConfig } from './redirects.ts'
import { refuseStrayS3, s3OptionsOf } from './s3.ts'
import { MODES, SERVE_SETTINGS, STORAGE_SETTINGS } from './serve.ts'
import type { SettingValues } from './settings.ts'
import { storesConfig } from './stores.ts'

/** @throws UsageError */
export function storageConfig(values: SettingValues, env: Environment, home: string): StorageConfig {
  const storePath = path.resolve(one(values, 'store-path') ?? path.join(dataHome(env, home), 'depot'))
  const storageType = check('storage-type', STORAGE_TYPE, one(values, 'storage-type') ?? 'fs')
  return {
    storePath,
    ...databaseConfig(values, env, { home, storePath }),
    storageType,
    s3: s3Of(values, storageType),
    stores: storesConfig(values),
  }
}

function s3Of(values: SettingValues, storageType: StorageConfig['storageType']): S3Options | undefined {
  if (storageType === 's3') return s3OptionsOf((name) => one(values, `s3-${name}`), '--s3-')
  refuseStrayS3(values)
  return undefined
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
    mode: check('mode', MODE, one(values, 'mode') ?? 'monolithic'),
    host,
    port,
    loopback: host !== undefined && isLoopback(host),
    privateKeyFiles: keyFilesOf(values, 'private-key'),
    npmPrivateKeyFiles: keyFilesOf(values, 'npm-private-key'),
    trustedPublicKeys: trustedPublicKeysOf(values.get('trusted-public-key') ?? []),
    requireTrustedSignature: flagOf(values, 'require-trusted-signature'),
    requireReferences: flagOf(values, 'require-references', 'true'),
    nixStore: nixStore === undefined ? undefined : path.resolve(nixStore),
    npmKeyFiles: (values.get('npm-keys') ?? []).map((file) => path.resolve(file)),
    npmAdvisories: advisories === undefined ? undefined : path.resolve(advisories),
    redirect: redirectConfig(values, hasBucket(storage)),
    publicUrl,
    allowedHosts: values.get('allowed-host') ?? [],
    insecureOpen: flagOf(values, 'insecure-open'),
    authFile: authFile === undefined ? undefined : path.resolve(authFile),
    readAuth: check('read-auth', READ_AUTH, one(values, 'read-auth') ?? 'auto'),
    audiences: audiencesOf(publicUrl, values.get('audience') ?? []),
    trustedProxies: trustedProxiesOf(values.get('trusted-proxy') ?? []),
    workers: workersOf(one(values, 'workers')),
    drainDelayMs: millisecondsOf(values, 'drain-delay') ?? 0,
    graceMs: millisecondsOf(values, 'shutdown-grace') ?? LIMITS.shutdownGraceMs,
    verbose: flagOf(values, 'verbose'),
  }
  refuseContradictions(config)
  return config
}

function hasBucket({ storageType, stores }: StorageConfig): boolean {
  return stores === undefined ? storageType === 's3' : stores.stores.some(({ place }) => place.type === 's3')
}

/** Where the keys of a server with these settings lie. @throws UsageError */
export function keyPlace(
  values: SettingValues,
  env: Environment,
  home: string,
): Pick<ServeConfig, 'storePath' | 'privateKeyFiles' | 'npmPrivateKeyFiles'> {
  return {
    storePath: storageConfig(values, env, home).storePath,
    privateKeyFiles: keyFilesOf(values, 'private-key'),
    npmPrivateKeyFiles: keyFilesOf(values, 'npm-private-key'),
  }
}

function keyFilesOf(values: SettingValues, name: 'private-key' | 'npm-private-key'): readonly string[] | undefined {
  return values.get(name)?.map((file) => path.resolve(file))
}

function trustedPublicKeysOf(keys: readonly string[]): readonly string[] {
  try {
    return keys.map((key) => parsePublicKey(key).publicKey)
  } catch (error) {
    throw new UsageError(`--trusted-public-key: ${messageOf(error)}`)
  }
}

function one(values: SettingValues, name: string): string | undefined {
  return values.get(name)?.[0]
}

function flagOf(values: SettingValues, name: string, absent: 'true' | 'false' = 'false'): boolean {
  return check(name, SWITCH, one(values, name) ?? absent)
}

function millisecondsOf(values: SettingValues, name: 'shutdown-grace' | 'drain-delay'): number | undefined {
  const seconds = one(values, name)
  return seconds === undefined ? undefined : 1000 * check(name, SECONDS, seconds)
}

function workersOf(text: string | undefined): number {
  if (text === 'auto') return Math.min(availableParallelism(), LIMITS.workersMax)
  return text === undefined ? 1 : check('workers', WORKERS, text)
}

// zod's own messages speak of JavaScript's types.
const STORAGE_TYPE = z.enum(STORAGE_SETTINGS['storage-type'].words, { error: 'fs, s3 or memory' })
const MODE = z.enum(MODES, { error: 'monolithic, api-server, db-migrations or check-config' })
const READ_AUTH = z.enum(SERVE_SETTINGS['read-auth'].words, { error: 'auto, always or never' })
const SWITCH = z.stringbool({ error: 'true or false' })
const WORKERS_ERROR = { error: `auto, or a number from 1 to ${LIMITS.workersMax}` }
const WORKERS = z
  .string()
  .regex(/^[1-9]\d{0,2}$/, WORKERS_ERROR)
  .transform(Number)
  .pipe(z.number().max(LIMITS.workersMax, WORKERS_ERROR))
const SECONDS = z
  .string()
  .regex(/^\d{1,5}(?:\.\d+)?$/, { error: 'a number of seconds below 100,000' })
  .transform(Number)

function check<T>(name: string, schema: z.ZodType<T>, value: string): T {
  const result = schema.safeParse(value)
  if (result.success) return result.data
  throw new UsageError(`--${name} takes ${result.error.issues[0]?.message ?? 'another value'}, not '${value}'`)
}
