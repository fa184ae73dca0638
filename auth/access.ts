import { ANONYMOUS, type Access, type Credentials, type Principal } from '../src/access.ts'
import type { Buckets } from '../src/buckets.ts'
import type { Events } from '../src/events.ts'
import { LIMITS } from '../src/limits.ts'
import { parseAuthorization } from './authorization.ts'
import { CredentialsRefused } from './credentials-refused.ts'
import { permits } from './grants.ts'
import { loginAttempts } from './login-attempts.ts'
import { createRemembered } from './remembered.ts'
import type { StoredTokens } from './stored-tokens.ts'
import { changesSomething, createVerifier, type VerifierOptions } from './verify-credential.ts'

/** What the rules of an auth file need of the rest of a server. */
export interface AccessOptions extends Omit<VerifierOptions, 'attempts' | 'now'> {
  readonly tokens: Pick<StoredTokens, 'authenticate' | 'used'>
  /** Whether reads need credentials; `auto` = when the auth file says so. */
  readonly readAuth: 'auto' | 'always' | 'never'
  readonly events: Pick<Events, 'credentialsRefused'>
  readonly attempts?: Buckets
  readonly now?: () => number
}

/** Access by the keys of an auth file, and by the tokens that they made. */
export interface KeyAccess extends Access {
  /** Forget what was verified, so that the next use of every credential is looked at again. */
  forget(): void
  /** Whether anonymous callers may read. */
  readsAreOpen(): boolean
}

/**
 * The rules of an auth file. With a key that may only read, everything needs credentials; with keys that write, only writes do; without any
 * key nobody may do anything. Reads that once needed credentials need them until the server starts again, whatever becomes of the file.
 */
export function createAccess(options: AccessOptions): KeyAccess {
  const { authFile, readAuth, now = Date.now } = options
  const remembered = createRemembered({
    most: LIMITS.credentialsRemembered,
    generation: () => authFile.current().generation,
    now,
  })
  const verify = createVerifier({ attempts: loginAttempts(), ...options, now })

  function readsAreOpen(): boolean {
    return readAuth === 'auto' ? !authFile.current().hasReadKeys : readAuth === 'never'
  }

  async function verified(authorization: string, credentials: Credentials): Promise<Principal> {
    const moment = remembered.moment()
    try {
      const { lasting, ...found } = await verify(parseAuthorization(authorization), credentials)
      if (lasting) remembered.keep(authorization, found, moment)
      return found.principal
    } catch (error) {
      if (!(error instanceof CredentialsRefused)) throw error
      const { message: reason, key, jti } = error
      options.events.credentialsRefused({ reason, address: credentials.address, key, jti })
      return ANONYMOUS
    }
  }

  return {
    authenticate(credentials) {
      const { authorization = '' } = credentials
      if (authorization === '') return ANONYMOUS
      const known = remembered.recall(authorization)
      // A login for reading is looked at again when it is shown for a change, and refused.
      if (known === undefined || (known.kind === 'login' && changesSomething(credentials)))
        return verified(authorization, credentials)
      if (known.kind === 'token') options.tokens.used(known.principal.credential)
      return known.principal
    },
    authorize(principal, policy, resource) {
      if (policy === 'public') return 'allow'
      const known = principal.key !== ''
      if (policy === 'account') return known ? 'allow' : 'unauthenticated'
      if (policy === 'read' && readsAreOpen()) return 'allow'
      if (permits(principal.limits, policy, resource)) return 'allow'
      if (!known) return 'unauthenticated'
      return policy === 'read' ? 'hidden' : 'forbidden'
    },
    forget: () => remembered.forget(),
    readsAreOpen,
  }
}
