import { startAccountWorld, type AccountOptions } from './account-world.ts'
import type { World } from './world.ts'

/** A depot that asks for credentials. */
export interface GuardedWorld extends World {
  /** A stored token with these grants, of a key that may do everything. */
  token(...grants: readonly string[]): Promise<string>
}

export interface GuardedOptions extends Pick<AccountOptions, 'settings' | 'site'> {
  /** Who may read without credentials. */
  readonly reads: 'open' | 'closed'
}

/** As `startAccountWorld`, for tests of clients: all that they have is a token. */
export async function startGuardedWorld(options: GuardedOptions): Promise<GuardedWorld> {
  const world = await startAccountWorld(options)
  return { ...world, token: async (...grants) => (await world.token(grants.join(','))).token }
}
