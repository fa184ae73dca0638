import type { AuthFile } from '../../auth/watch-auth-file.ts'
import { allProtocols } from '../../protocols/index.ts'
import { parsePublicKey } from '../../protocols/nix/signing.ts'
import { createApp, type App } from '../../src/app.ts'
import { createDepot } from '../../src/create-depot.ts'
import type { Depot } from '../../src/depot.ts'
import type { Events } from '../../src/events.ts'
import type { Protocol } from '../../src/protocol.ts'
import { NO_SIBLINGS, type Siblings } from '../../src/siblings.ts'
import type { BatchWriter } from '../../storage/kv/sqlite/batch-writer.ts'
import { openNews, openStorage } from '../../storage/open.ts'
import { bootAuth } from './boot-auth.ts'
import type { BootedAuth } from './booted-auth.ts'
import { schemaRule, type ServeConfig } from '../settings/config.ts'
import { agreeOnKeys, type KeyAgreement } from '../signing/key-agreement.ts'
import { loadNpmKeys } from '../signing/npm-keys.ts'
import { openLocalStore, openNpmAdvisories } from './open-sources.ts'
import { redirectRules } from '../settings/redirects.ts'
import { loadSigningKeys } from '../signing/nix-keys.ts'
import { tendInTurn } from './tending.ts'

export interface OpenOptions {
  readonly config: ServeConfig
  readonly events: Events
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
  /** Begin what the protocols do beside answering, where the mode has it; disposing ends it. */
  tend(): AsyncDisposable
}

/** Everything of a server but its port. */
export async function openApp(options: OpenOptions): Promise<OpenedApp> {
  const { config, events, warn = () => {}, protocols = (all) => all, common } = options
  await using opening = new AsyncDisposableStack()
  const localStore = opening.use(await openLocalStore(config))
  const { blobs, kv } = opening.use(
    await openStorage({
      ...config,
      events,
      schema: schemaRule(config.mode),
      warn,
      ...(common?.writer === undefined ? {} : { writer: common.writer }),
    }),
  )
  const siblings = common?.siblings ?? opening.use(await openNews(config)) ?? NO_SIBLINGS
  const redirects = config.redirect && redirectRules(config.redirect)
  const depot = createDepot({ blobs, kv, events, redirects })
  const agreement = (use: 'nix' | 'npm'): KeyAgreement =>
    agreeOnKeys({ depot, databaseUrl: config.databaseUrl, use, warn })
  const signingKeys = (await loadSigningKeys(config, agreement('nix'))).map(({ key }) => key)
  const auth = opening.use(await bootAuth({ config, depot, warn, siblings, authFile: common?.authFile }))
  const npmKeys = await loadNpmKeys(config, agreement('npm'))
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
    tend: () => (config.mode === 'monolithic' ? tendInTurn(depot, mounted) : NOTHING_TENDED),
    publicKeys: signingKeys.map(({ publicKey }) => publicKey),
    turnUnready() {
      lifecycle.draining = true
    },
    [Symbol.asyncDispose]: () => opened.disposeAsync(),
  }
}

const NOTHING_TENDED: AsyncDisposable = { [Symbol.asyncDispose]: async () => {} }
