import path from 'node:path'

import { localPaths } from '../protocols/nix/closure/local-source.ts'
import type { PathSource } from '../protocols/nix/closure/path-source.ts'
import type { LocalStore } from '../src/local-store.ts'
import type { ParsedArgs } from './cli.ts'
import { lastOf } from './flags.ts'

/** What every command takes that reads a Nix store of this machine. */
export const NIX_STORE_ARG = {
  'nix-store': {
    type: 'string',
    description: 'Root of the Nix store to read (default: /, that of this machine)',
    valueHint: 'DIR',
  },
} as const

export interface OpenedNixStore extends AsyncDisposable {
  readonly paths: PathSource
  readonly store: LocalStore
}

/** The root of the store that is meant, as `nix --store` takes it. */
export function nixStoreRoot(flags: ParsedArgs['flags']): string {
  return path.resolve(lastOf(flags, 'nix-store') ?? '/')
}

/** Open the Nix store of this machine that is meant. @throws DepotError `STORAGE_DOWN` when there is none, or it may not be read */
export async function openLocalNixStore(flags: ParsedArgs['flags']): Promise<OpenedNixStore> {
  const { openNixStore } = await import('../storage/nix-store/open.ts')
  const store = openNixStore(nixStoreRoot(flags))
  return { store, paths: localPaths(store), [Symbol.asyncDispose]: () => store[Symbol.asyncDispose]() }
}
