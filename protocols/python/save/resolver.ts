import type { Programs } from '../../../src/client/programs.ts'
import type { Wanted } from './wheel-filter.ts'

/** What a list of requirements comes to. */
export interface Resolution {
  /** Versions of an index, and for whom each was found: for all who are wanted, where it does not say. */
  readonly versions: readonly { readonly project: string; readonly version: string; readonly target?: Wanted }[]
  /** What has an address of its own: a file, or a checkout. */
  readonly addresses: readonly { readonly project: string; readonly address: string }[]
}

export interface Requirements {
  /** PEP 508, one a line. */
  readonly lines: readonly string[]
  readonly constraints: readonly string[]
  readonly preReleases: boolean
}

/** Finds versions that fit together, and all that they depend on. */
export interface Resolver {
  readonly name: 'uv' | 'pip'
  /** @throws DepotError `BAD_REQUEST` with what the program says against them */
  resolve(requirements: Requirements): Promise<Resolution>
}

/** A folder of our own with some small files in it; disposing removes it. Only this user can read them. */
export type Scratch = (files: Readonly<Record<string, string>>) => Promise<{ readonly path: string } & AsyncDisposable>

export interface ResolverOptions {
  readonly programs: Programs
  /** In the order in which they are asked. */
  readonly indexes: readonly URL[]
  readonly wanted: Wanted
  readonly scratch: Scratch
  /** Variables of the programs: undefined takes one of this process away. */
  readonly env: Readonly<Record<string, string | undefined>>
}
