import { loginAttempts } from '../../auth/login-attempts.ts'
import { storedTokens } from '../../auth/stored-tokens.ts'
import { OPEN_ACCESS } from '../../src/access.ts'
import { clockOf } from '../../src/clock.ts'
import { accountsOf, type BootAuthOptions, type BootedAuth } from './booted-auth.ts'

/**
 * Wire up who may do what: everyone everything without an auth file, otherwise its keys and the tokens that they made.
 *
 * @throws DepotError `BAD_REQUEST` for an auth file with a bad line
 */
export async function bootAuth(options: BootAuthOptions): Promise<BootedAuth> {
  const { authFile: file } = options.config
  if (file === undefined) return openDoor(options)
  // An open depot starts without the weight of signatures and their formats.
  const { bootKeys } = await import('./boot-keys.ts')
  return bootKeys({ ...options, file })
}

function openDoor({ depot, siblings }: BootAuthOptions): BootedAuth {
  const tokens = storedTokens({ store: depot, knowsKey: () => false, now: clockOf(depot) })
  return {
    access: OPEN_ACCESS,
    ...accountsOf({ depot, tokens, attempts: loginAttempts(siblings), open: true }),
    readsAreOpen: () => true,
    reload: async () => {},
    [Symbol.asyncDispose]: async () => {},
  }
}
