import { clientLines } from './client-lines.ts'
import type { ServeConfig } from './config.ts'

/** A server that has started. */
export interface Greeted {
  readonly url: string
  readonly publicKeys: readonly string[]
  readonly readsAreOpen: boolean
}

/** What a newcomer pastes next. */
export function greeting({ url, publicKeys, readsAreOpen }: Greeted, config: ServeConfig): string {
  const base = config.publicUrl ?? url
  const lines = config.authFile === undefined ? clientLines(base, publicKeys) : loginLines(base, readsAreOpen)
  return `depot serves ${base}   (data in ${config.storePath})\n\n${lines.map((line) => `  ${line}\n`).join('')}\n`
}

function loginLines(base: string, readsAreOpen: boolean): readonly string[] {
  return [
    readsAreOpen
      ? 'Everyone may read; writing needs a key of the auth file.'
      : 'Everything needs a key of the auth file.',
    '',
    `depot login ${base}      try your SSH keys`,
    'depot use                 tell nix, npm, pip and uv on your machine where to install from',
    'depot proxy               or lend plain clients your SSH key while it runs',
    'depot token create        or make a token for CI',
  ]
}
