import type { AuthFile } from '../auth/watch-auth-file.ts'
import { allProtocols } from '../protocols/index.ts'
import { parsePublicKey } from '../protocols/nix/signing.ts'
import { createApp, type App } from '../src/app.ts'
import { createDepot } from '../src/create-depot.ts'
import type { Depot } from '../src/depot.ts'
import { hasCode } from '../src/errors.ts'
import type { Events } from '../src/events.ts'
import type { LocalStore } from '../src/local-store.ts'
import type { AccessLog } from '../src/node/access-log.ts'
import { putPoolBehindEventLoop } from '../src/node/pool-priority.ts'
import { startServer, type RunningServer } from '../src/node/server.ts'
import type { Protocol } from '../src/protocol.ts'
import { NO_SIBLINGS, type Siblings } from '../src/siblings.ts'
import type { BatchWriter } from '../storage/kv/batch-writer.ts'
import { openStorage } from '../storage/open.ts'
import { bootAuth } from './boot-auth.ts'
import type { BootedAuth } from './booted-auth.ts'
import { UsageError } from './cli.ts'
import type { ServeConfig } from './config.ts'
import { localUrl } from './local-url.ts'
import type { FollowedAdvisories } from './npm-advisories.ts'
import { loadNpmKeys } from './npm-signing-keys.ts'
import { loadSigningKeys } from './signing-keys.ts'

export interface BootOptions {
  readonly config: ServeConfig
  readonly events: Events
  readonly accessLog?: AccessLog
  /** What to mount, instead of every ecosystem there is. */
  readonly protocols?: (all: readonly Protocol[]) => readonly Protocol[]
  /** Told what an operator should know about where the data lies. */
  readonly warn?: (message: string) => void
  /** What a process has of the one that started it. */
  readonly common?: Common
}

/** What several processes that serve one port have in common. */
export interface Common {
  readonly siblings: Siblings
  /** Who commits to SQLite. */
  readonly writer: BatchWriter | undefined
  /** The auth file, as one of them follows it. */
  readonly authFile: AuthFile | undefined
}

export interface OpenedApp extends AsyncDisposable {
  readonly depot: Depot
  readonly app: App
  readonly auth: BootedAuth
  /** Nix public keys, `name:base64`, oldest first. */
  readonly publicKeys: readonly string[]
  /** Make it say that it is on its way out. */
  turnUnready(): void
  /** Begin what the protocols do beside answering; disposing ends it. */
  tend(): AsyncDisposable
}

export interface BootedDepot extends Omit<OpenedApp, 'turnUnready' | 'tend'> {
  readonly server: RunningServer
  /** Address that clients on this machine use. */
  readonly url: string
  /** Turn unready, let running requests finish, close everything. */
  drain(): Promise<void>
}

/** Open the storage, mount the protocols and listen: everything `depot serve` does but talk. */
export async function boot(options: BootOptions): Promise<BootedDepot> {
  const { config, accessLog } = options
  const { turnUnready, tend, ...opened } = await openApp(options)
  const close = opened[Symbol.asyncDispose]
  const tending = tend()
  try {
    const server = await startServer({
      app: opened.app,
      host: config.host,
      port: config.port,
      graceMs: config.graceMs,
      trustedProxies: config.trustedProxies,
      ...(accessLog === undefined ? {} : { accessLog }),
    })
    return {
      ...opened,
      server,
      url: localUrl(server.address),
      async drain() {
        turnUnready()
        await server.close()
        await tending[Symbol.asyncDispose]()
        await close()
      },
      async [Symbol.asyncDispose]() {
        await server[Symbol.asyncDispose]()
        await tending[Symbol.asyncDispose]()
        await close()
      },
    }
  } catch (error) {
    await tending[Symbol.asyncDispose]()
    await close()
    throw error
  }
}

/** Everything of a server but its port. */
export async function openApp(options: Omit<BootOptions, 'accessLog'>): Promise<OpenedApp> {
  const { config, events, warn = () => {}, protocols = (all) => all, common } = options
  const siblings = common?.siblings ?? NO_SIBLINGS
  await using opening = new AsyncDisposableStack()
  await putPoolBehindEventLoop()
  const localStore = opening.use(await openLocalStore(config))
  const { blobs, kv } = await openStorage({
    ...config,
    warn,
    ...(common?.writer === undefined ? {} : { writer: common.writer }),
  })
  opening.use(blobs)
  opening.use(kv)
  const signingKeys = (await loadSigningKeys(config)).map(({ key }) => key)
  const depot = createDepot({ blobs, kv, events })
  const auth = opening.use(await bootAuth({ config, depot, warn, siblings, authFile: common?.authFile }))
  const npmKeys = await loadNpmKeys(config)
  const advisories = opening.use(await openNpmAdvisories(config, events))
  const lifecycle = { draining: false }
  const mounted = protocols(
    allProtocols({
      signingKeys,
      trustedKeys: config.trustedPublicKeys.map(parsePublicKey),
      requireTrustedSignature: config.requireTrustedSignature,
      requireReferences: config.requireReferences,
      localStore,
      accounts: auth.accounts,
      npmKeys,
      advisories,
    }),
  )
  const app = createApp({
    depot,
    access: auth.access,
    protocols: [auth.account, ...mounted],
    site: {
      loopback: config.loopback,
      allowedHosts: config.allowedHosts,
      ...(config.publicUrl === undefined ? {} : { publicUrl: config.publicUrl }),
    },
    lifecycle,
    siblings,
  })
  opening.defer(() => app.wanted.flush())
  // From here on they are closed by whoever has the application: last opened, first closed.
  const opened = opening.move()
  return {
    depot,
    app,
    auth,
    tend: () => tendAll(depot, mounted),
    publicKeys: signingKeys.map(({ publicKey }) => publicKey),
    turnUnready() {
      lifecycle.draining = true
    },
    [Symbol.asyncDispose]: () => opened.disposeAsync(),
  }
}

/** The advisories that the operator named, if any. @throws UsageError when they cannot be read */
export async function openNpmAdvisories(
  { npmAdvisories }: Pick<ServeConfig, 'npmAdvisories'>,
  events: Events,
): Promise<FollowedAdvisories | undefined> {
  if (npmAdvisories === undefined) return undefined
  const { openAdvisories } = await import('./npm-advisories.ts')
  return openAdvisories(npmAdvisories, events)
}

function tendAll(depot: Depot, protocols: readonly Protocol[]): AsyncDisposable {
  const stop = new AbortController()
  const work = protocols.map(async (protocol) => {
    try {
      await protocol.tend?.(depot, stop.signal)
    } catch (error) {
      depot.events.unexpectedError(`tending ${protocol.name}`, error)
    }
  })
  return {
    async [Symbol.asyncDispose]() {
      stop.abort()
      await Promise.all(work)
    },
  }
}

/** The Nix store that is read through to, if any. @throws UsageError when it cannot be read */
export async function openLocalStore({ nixStore }: Pick<ServeConfig, 'nixStore'>): Promise<LocalStore | undefined> {
  if (nixStore === undefined) return undefined
  const { openNixStore } = await import('../storage/nix-store/open.ts')
  try {
    return openNixStore(nixStore)
  } catch (error) {
    throw hasCode(error, 'STORAGE_DOWN') ? new UsageError(`--nix-store: ${error.message}`) : error
  }
}
