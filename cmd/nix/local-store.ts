import path from 'node:path'

import { localPaths } from '../../protocols/nix/closure/local-source.ts'
import type { PathSource } from '../../protocols/nix/closure/path-source.ts'
import type { LocalStore } from '../../src/local-store.ts'
import type { ParsedArgs } from '../cli.ts'
import { lastOf } from '../flags.ts'
import type { Environment } from '../environment.ts'

/** What every command takes that reads a Nix store of this machine. */
export const NIX_STORE_ARG = {
  'nix-store': {
    type: 'string',
    description: 'Root of the Nix store to read (default: NIX_REMOTE where it names a folder, else /)',
    valueHint: 'DIR',
  },
} as const

export interface OpenedNixStore extends AsyncDisposable {
  readonly paths: PathSource
  readonly store: LocalStore
}

/** Where it is said which Nix store is meant. */
export interface NixStoreChoice {
  readonly flags: ParsedArgs['flags']
  readonly env: Environment
}

/** The root of the store that is meant, as `nix --store` and NIX_REMOTE take it. */
export function nixStoreRoot({ flags, env }: NixStoreChoice): string {
  const remote = env['NIX_REMOTE'] ?? ''
  return path.resolve(lastOf(flags, 'nix-store') ?? (path.isAbsolute(remote) ? remote : '/'))
}

/** Open the Nix store of this machine that is meant. @throws DepotError `STORAGE_DOWN` when there is none, or it may not be read */
export async function openLocalNixStore(choice: NixStoreChoice): Promise<OpenedNixStore> {
  const { openNixStore } = await import('../../storage/nix-store/open.ts')
  const store = openNixStore(nixStoreRoot(choice))
  return { store, paths: localPaths(store), [Symbol.asyncDispose]: () => store[Symbol.asyncDispose]() }
}
