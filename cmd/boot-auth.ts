import { createAccess, loginAttempts } from '../auth/access.ts'
import { accountProtocol } from '../auth/account-routes.ts'
import { liveKey } from '../auth/auth-file.ts'
import { storedTokens } from '../auth/stored-tokens.ts'
import { createUsedLogins } from '../auth/used-logins.ts'
import { openAuthFile } from '../auth/watch-auth-file.ts'
import { webLogins } from '../auth/web-logins.ts'
import { ECOSYSTEMS } from '../protocols/index.ts'
import type { NpmAccounts } from '../protocols/npm/account-routes.ts'
import { OPEN_ACCESS, type Access } from '../src/access.ts'
import type { Depot } from '../src/depot.ts'
import type { Protocol } from '../src/protocol.ts'
import type { ServeConfig } from './config.ts'

/** Who may do what in a server, wired up. */
export interface BootedAuth extends AsyncDisposable {
  readonly access: Access
  /** The depot's own routes about the caller's credentials. */
  readonly account: Protocol
  readonly accounts: NpmAccounts
  /** Whether anonymous callers may read, at this moment. */
  readsAreOpen(): boolean
  /** Look at the auth file now. */
  reload(): Promise<void>
}

export interface BootAuthOptions {
  readonly config: Pick<ServeConfig, 'authFile' | 'readAuth' | 'audiences' | 'publicUrl'>
  readonly depot: Depot
  /** Told what an operator should know about the auth file. */
  readonly warn: (message: string) => void
}

/**
 * Wire up who may do what: everyone everything without an auth file, otherwise its keys and the tokens that they made.
 *
 * @throws DepotError `BAD_REQUEST` for an auth file with a bad line
 */
export async function bootAuth(options: BootAuthOptions): Promise<BootedAuth> {
  const { config, depot } = options
  return config.authFile === undefined ? openDoor(depot) : withKeys({ ...options, file: config.authFile })
}

function openDoor(depot: Depot): BootedAuth {
  const attempts = loginAttempts()
  const tokens = storedTokens({ store: depot, knowsKey: () => false })
  const logins = webLogins({ store: depot, attempts })
  return {
    access: OPEN_ACCESS,
    account: accountProtocol({ tokens, logins, ecosystems: ECOSYSTEMS, open: true }),
    accounts: { tokens, logins, attempts, open: true },
    readsAreOpen: () => true,
    reload: async () => {},
    [Symbol.asyncDispose]: async () => {},
  }
}

async function withKeys({ config, depot, warn, file }: BootAuthOptions & { file: string }): Promise<BootedAuth> {
  const { events } = depot
  const authFile = await openAuthFile({ file, ecosystems: ECOSYSTEMS, events, warn })
  const attempts = loginAttempts()
  const knowsKey = (fingerprint: string): boolean => liveKey(authFile.current(), fingerprint, Date.now()) !== undefined
  const stored = storedTokens({ store: depot, knowsKey })
  const access = createAccess({
    authFile,
    tokens: stored,
    usedLogins: createUsedLogins(depot.kv, () => Math.floor(Date.now() / 1000)),
    readAuth: config.readAuth,
    audiencesOf: (host) => (config.audiences.length > 0 ? config.audiences : hostAudience(host)),
    pathPrefix: config.publicUrl === undefined ? '' : new URL(config.publicUrl).pathname.replace(/\/$/, ''),
    ecosystems: ECOSYSTEMS,
    events,
    attempts,
  })
  const tokens = {
    ...stored,
    // Other servers see it when they next look; this one at once.
    revoke: (...args: Parameters<typeof stored.revoke>) => stored.revoke(...args).finally(() => access.forget()),
  }
  const logins = webLogins({ store: depot, attempts })
  return {
    access,
    account: accountProtocol({ tokens, logins, ecosystems: ECOSYSTEMS, open: false }),
    accounts: { tokens, logins, attempts, open: false },
    readsAreOpen: () => access.readsAreOpen(),
    reload: () => authFile.reload(),
    [Symbol.asyncDispose]: () => authFile[Symbol.asyncDispose](),
  }
}

/** On loopback, and without a public URL, the Host has been checked to be this machine. */
function hostAudience(host: string | undefined): readonly string[] {
  const url = host === undefined ? null : URL.parse(`http://${host}`)
  return url === null ? [] : [url.origin]
}
