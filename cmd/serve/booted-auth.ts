import { accountProtocol } from '../../auth/account-routes.ts'
import { webLogins } from '../../auth/web-logins.ts'
import type { AuthFile } from '../../auth/watch-auth-file.ts'
import { ECOSYSTEMS } from '../../protocols/index.ts'
import type { NpmAccounts } from '../../protocols/npm/account-routes.ts'
import type { Access } from '../../src/access.ts'
import { clockOf } from '../../src/clock.ts'
import type { Depot } from '../../src/depot.ts'
import type { Protocol } from '../../src/protocol.ts'
import type { Siblings } from '../../src/siblings.ts'
import type { ServeConfig } from '../settings/config.ts'
import { depotVersion } from '../version.ts'

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
  /** The other processes of this server. */
  readonly siblings: Siblings
  /** The auth file as somebody else follows it. */
  readonly authFile?: AuthFile | undefined
}

/** What the depot's own routes and npm's about one's credentials are answered from. */
export function accountsOf({
  depot,
  ...common
}: Omit<NpmAccounts, 'logins' | 'now'> & { readonly depot: Depot }): Pick<BootedAuth, 'account' | 'accounts'> {
  const now = clockOf(depot)
  const accounts = { ...common, now, logins: webLogins({ store: depot, attempts: common.attempts, now }) }
  return { account: accountProtocol({ ...accounts, ecosystems: ECOSYSTEMS, version: depotVersion() }), accounts }
}
