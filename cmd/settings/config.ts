import type { S3Options } from '../../storage/blob/s3/options.ts'
import type { SeveralStoresConfig } from '../../storage/open-stores.ts'
import type { DatabaseConfig } from './database.ts'
import type { RedirectConfig } from './redirects.ts'
import type { Mode } from './serve.ts'

/** Whether reads need credentials; `auto` = when the auth file has a key that may only read. */
export type ReadAuth = 'auto' | 'always' | 'never'

export interface StorageConfig extends DatabaseConfig {
  readonly storePath: string
  readonly storageType: 'fs' | 's3' | 'memory'
  /** Set for `s3`. */
  readonly s3: S3Options | undefined
  /** Several stores for blobs, in place of that one. */
  readonly stores: SeveralStoresConfig | undefined
}

export interface ServeConfig extends StorageConfig {
  readonly mode: Mode
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
  /** Keys that sign npm packages, the last one does; undefined = those of the store path, where the first start makes one. */
  readonly npmPrivateKeyFiles: readonly string[] | undefined
  /** Answers of other registries' `/-/npm/v1/keys`. */
  readonly npmKeyFiles: readonly string[]
  /** A file or a folder of advisories about npm packages. */
  readonly npmAdvisories: string | undefined
  /** Who reads from a bucket itself; undefined = nobody. */
  readonly redirect: RedirectConfig | undefined
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
  /** Connections are still taken for so long after the server was told to stop. */
  readonly drainDelayMs: number
  readonly graceMs: number
  readonly verbose: boolean
}

/** Who may change the schema of the database: servers that others stand beside come and go, and must not. */
export function schemaRule(mode: Mode): 'migrate' | 'demand' {
  return mode === 'api-server' ? 'demand' : 'migrate'
}
