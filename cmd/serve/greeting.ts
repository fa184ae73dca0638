import { parseDatabaseUrl } from '../../storage/database-url.ts'
import { placeName } from '../../storage/open-stores.ts'
import { clientLines } from '../client-lines.ts'
import type { ServeConfig } from '../settings/config.ts'

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
  return `depot serves ${base}   (${whereabouts(config)})\n\n${lines.map((line) => `  ${line}\n`).join('')}\n`
}

/** Where a newcomer finds the data; of what lies elsewhere no address that could hold a secret. */
function whereabouts({ storePath, databaseUrl, storageType, s3, stores }: ServeConfig): string {
  const names = parseDatabaseUrl(databaseUrl).driver === 'sqlite' ? undefined : 'PostgreSQL'
  const places = stores?.stores.map(({ place }) => placeName(place)) ?? []
  const blobs = s3 !== undefined ? [placeName({ type: 's3', s3 })] : storageType === 'memory' ? ['memory'] : places
  if (names === undefined && blobs.length === 0) return `data in ${storePath}`
  return `blobs in ${blobs.join(', ') || storePath}; names in ${names ?? storePath}`
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
