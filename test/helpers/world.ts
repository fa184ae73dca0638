import { writeFile } from 'node:fs/promises'

import { boot } from '../../cmd/boot.ts'
import { serveConfig, type ServeConfig } from '../../cmd/config.ts'
import type { App } from '../../src/app.ts'
import type { Depot } from '../../src/depot.ts'
import { SILENT_EVENTS, type CredentialsRefusal, type Events } from '../../src/events.ts'
import type { RunningServer } from '../../src/node/server.ts'
import type { Protocol } from '../../src/protocol.ts'
import { tempDir } from './temp-dir.ts'

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
  /** What was said of answers that were cut. */
  readonly cuts: readonly string[]
  /** Why credentials were not good. */
  readonly badCredentials: readonly CredentialsRefusal[]
  /** Path of the auth file, which may be changed. */
  readonly authFile: string
  fetch(path: string, init?: RequestInit): Promise<Response>
}

export interface WorldOptions {
  readonly blobs?: 'fs' | 'memory'
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

/** The real server in this process, on a free port, over SQLite and files in a temporary folder. */
export async function startWorld(options: WorldOptions = {}): Promise<World> {
  const dir = await tempDir('world')
  const bugs: unknown[] = []
  const refusals: string[] = []
  const cuts: string[] = []
  const badCredentials: CredentialsRefusal[] = []
  const events: Events = {
    ...SILENT_EVENTS,
    unexpectedError: (_id, error) => void bugs.push(error),
    credentialsRefused: (refusal) => void badCredentials.push(refusal),
    answerCut: (_id, _code, message) => void cuts.push(message),
    requestRefused: (_id, _status, code) => void refusals.push(code),
  }
  const authFile = dir.join('auth.keys')
  if (options.authFile !== undefined) await writeFile(authFile, options.authFile)
  const settings = new Map<string, readonly string[]>([
    ...(options.authFile === undefined ? [] : [['auth-file', [authFile]] as const]),
    ...Object.entries(options.settings ?? {}).map(([name, value]) => [name, [value].flat()] as const),
    ['listen-addr', ['127.0.0.1:0']],
    ['store-path', [dir.path]],
    ['storage-type', [options.blobs ?? 'fs']],
    ['database-url', [options.databaseUrl ?? `sqlite://${dir.join('depot.db')}`]],
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
    cuts,
    badCredentials,
    authFile,
    fetch: (path, init) => fetch(booted.url + path, init),
    async [Symbol.asyncDispose]() {
      await booted[Symbol.asyncDispose]()
      await dir[Symbol.asyncDispose]()
    },
  }
}
