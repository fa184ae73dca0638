import { generateKeyPairSync } from 'node:crypto'
import { writeFile } from 'node:fs/promises'

import { boot } from '../../cmd/serve/boot.ts'
import type { ServeConfig } from '../../cmd/settings/config.ts'
import { serveConfig } from '../../cmd/settings/parse-config.ts'
import { generateSecretKey } from '../../protocols/nix/signing.ts'
import type { App } from '../../src/app.ts'
import type { Depot } from '../../src/depot.ts'
import { SILENT_EVENTS, type CredentialsRefusal, type Events } from '../../src/events.ts'
import type { RunningServer } from '../../src/node/server.ts'
import type { Protocol } from '../../src/protocol.ts'
import { tempDir, type TempDir } from './temp-dir.ts'
import { openTestStorage } from './test-storage.ts'

export interface World extends AsyncDisposable {
  readonly url: string
  readonly depot: Depot
  readonly app: App
  readonly server: RunningServer
  /** The oldest Nix public key, `name:base64`. */
  readonly publicKey: string
  readonly dir: string
  /** What went wrong without being expected; a test that means no bug checks that it is empty. */
  readonly bugs: readonly unknown[]
  /** Code of every request that was refused, also of those whose client has gone. */
  readonly refusals: readonly string[]
  /** What was said of blobs whose store gave other bytes than it has. */
  readonly misread: readonly string[]
  /** What was said of answers that were cut. */
  readonly cuts: readonly string[]
  /** Why credentials were not good. */
  readonly badCredentials: readonly CredentialsRefusal[]
  /** Path of the auth file, which may be changed. */
  readonly authFile: string
  fetch(path: string, init?: RequestInit): Promise<Response>
}

export interface WorldOptions {
  readonly blobs?: 'memory'
  readonly databaseUrl?: string
  readonly protocols?: readonly Protocol[]
  /** Mounted behind the others. */
  readonly extraProtocols?: readonly Protocol[]
  /** Text of an auth file; `settings` may say more about it. Without it everybody may do everything. */
  readonly authFile?: string
  /** Further settings of the server. */
  readonly settings?: Readonly<Record<string, string | readonly string[]>>
  readonly site?: Partial<Pick<ServeConfig, 'loopback' | 'allowedHosts' | 'publicUrl'>>
}

/** The real server in this process, on a free port, over SQLite and files in a temporary folder, or what `describeOn` says. */
export async function startWorld(options: WorldOptions = {}): Promise<World> {
  const dir = await tempDir('world')
  const storage = await openTestStorage(dir)
  const bugs: unknown[] = []
  const refusals: string[] = []
  const misread: string[] = []
  const cuts: string[] = []
  const badCredentials: CredentialsRefusal[] = []
  const events: Events = {
    ...SILENT_EVENTS,
    unexpectedError: (_id, error) => void bugs.push(error),
    credentialsRefused: (refusal) => void badCredentials.push(refusal),
    blobMisread: (_row, reason) => void misread.push(reason),
    answerCut: (_id, _code, message) => void cuts.push(message),
    requestRefused: (_id, _status, code) => void refusals.push(code),
  }
  const authFile = dir.join('auth.keys')
  if (options.authFile !== undefined) await writeFile(authFile, options.authFile)
  const settings = new Map<string, readonly string[]>([
    ...(options.authFile === undefined ? [] : [['auth-file', [authFile]] as const]),
    ...(options.databaseUrl === undefined ? [] : listsOf(await sharedKeys(dir))),
    ['listen-addr', ['127.0.0.1:0']],
    ['store-path', [dir.path]],
    ...listsOf(options.blobs === undefined ? storage.settings : { 'storage-type': options.blobs }),
    ['database-url', [options.databaseUrl ?? storage.options.databaseUrl]],
    ...listsOf(options.settings ?? {}),
  ])
  const config: ServeConfig = { ...serveConfig(settings, {}, dir.path), ...options.site }
  const booted = await boot({
    config,
    events,
    protocols: (all) => [...(options.protocols ?? all), ...(options.extraProtocols ?? [])],
  })
  return {
    url: booted.url,
    depot: booted.depot,
    app: booted.app,
    server: booted.server,
    publicKey: booted.publicKeys[0] ?? '',
    dir: dir.path,
    bugs,
    refusals,
    misread,
    cuts,
    badCredentials,
    authFile,
    fetch: (path, init) => fetch(booted.url + path, init),
    async [Symbol.asyncDispose]() {
      await booted[Symbol.asyncDispose]()
      await storage[Symbol.asyncDispose]()
      await dir[Symbol.asyncDispose]()
    },
  }
}

function listsOf(settings: NonNullable<WorldOptions['settings']>) {
  return Object.entries(settings).map(([name, value]) => [name, [value].flat()] as const)
}

/** Servers over one database have to sign with the same keys. */
async function sharedKeys(dir: TempDir): Promise<Readonly<Record<string, string>>> {
  const files = { 'private-key': dir.join('shared.key'), 'npm-private-key': dir.join('shared-npm.key') }
  await writeFile(files['private-key'], NIX_KEY)
  await writeFile(files['npm-private-key'], NPM_KEY)
  return files
}

const NIX_KEY = generateSecretKey('shared-1')
const NPM_KEY = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({ type: 'pkcs8', format: 'pem' })
