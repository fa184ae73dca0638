import { hasCode } from '../../src/errors.ts'
import type { Events } from '../../src/events.ts'
import type { LocalStore } from '../../src/local-store.ts'
import { UsageError } from '../cli.ts'
import type { ServeConfig } from '../settings/config.ts'
import type { FollowedAdvisories } from './npm-advisories.ts'

/** The advisories that the operator named, if any. @throws UsageError when they cannot be read */
export async function openNpmAdvisories(
  { npmAdvisories }: Pick<ServeConfig, 'npmAdvisories'>,
  events: Events,
): Promise<FollowedAdvisories | undefined> {
  if (npmAdvisories === undefined) return undefined
  const { openAdvisories } = await import('./npm-advisories.ts')
  return openAdvisories(npmAdvisories, events)
}

/** The Nix store that is read through to, if any. @throws UsageError when it cannot be read */
export async function openLocalStore({ nixStore }: Pick<ServeConfig, 'nixStore'>): Promise<LocalStore | undefined> {
  if (nixStore === undefined) return undefined
  const { openNixStore } = await import('../../storage/nix-store/open.ts')
  try {
    return openNixStore(nixStore)
  } catch (error) {
    throw hasCode(error, 'STORAGE_DOWN') ? new UsageError(`--nix-store: ${error.message}`) : error
  }
}
