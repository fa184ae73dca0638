import path from 'node:path'

import type { Edit } from '../config-files/edits.ts'
import { nixValue } from '../config-files/nix-conf.ts'
import { isInClear } from '../client/depot-url.ts'
import { configHome, homeOf, type Environment } from '../environment.ts'
import { netrcHost, nixCache, npmRegistry, npmTokenKey, pythonIndex } from '../token/formats.ts'
import { asText, readUserFile } from '../user-file.ts'

/** The clients whose files `depot use` knows. */
export const USED_CLIENTS = ['nix', 'npm', 'pip', 'uv'] as const
export type UsedClient = (typeof USED_CLIENTS)[number]

/** Which depot is to be used by whom. */
export interface UseRequest {
  readonly url: URL
  readonly clients: ReadonlySet<UsedClient>
  readonly env: Environment
  /** Nix public keys of the depot. */
  readonly publicKeys: readonly string[]
  /** A depot that asks for no credentials needs only its addresses written. */
  readonly withToken: boolean
}

/** What goes into which of the user's files, so that these clients find the depot. Reads nix.conf; writes nothing. */
export async function useEdits(request: UseRequest): Promise<readonly Edit[]> {
  const { clients } = request
  const netrc: Edit = { kind: 'netrc', file: netrcFile(request.env), host: netrcHost(request.url) }
  const edits = [
    ...(clients.has('nix') ? await nixEdits(request) : []),
    ...(clients.has('npm') ? npmEdits(request) : []),
    ...(clients.has('pip') ? pipEdits(request) : []),
    ...(clients.has('uv') ? uvEdits(request) : []),
    ...(request.withToken && (clients.has('pip') || clients.has('uv')) ? [netrc] : []),
  ]
  // Nix and Python may share one netrc.
  return edits.filter((edit, at) => !edits.slice(0, at).some((other) => JSON.stringify(other) === JSON.stringify(edit)))
}

async function nixEdits({ url, env, publicKeys, withToken }: UseRequest): Promise<readonly Edit[]> {
  const file = named(env['NIX_USER_CONF_FILES']?.split(':')[0]) ?? path.join(configHome(env), 'nix', 'nix.conf')
  const words = publicKeys.map((word): Edit => ({ kind: 'nix-word', file, setting: 'trusted-public-keys', word }))
  const addresses: Edit[] = [{ kind: 'nix-word', file, setting: 'substituters', word: nixCache(url) }, ...words]
  if (!withToken) return addresses
  // Nix reads one netrc only: where one is set, the entry goes there.
  const set = nixValue((await readUserFile(file)) ?? '', 'netrc-file')
  const netrc = set === undefined ? netrcFile(env) : asText(set)
  const setting: Edit = { kind: 'nix-value', file, setting: 'netrc-file', value: netrc }
  return [...addresses, setting, { kind: 'netrc', file: netrc, host: netrcHost(url) }]
}

function npmEdits({ url, env, withToken }: UseRequest): readonly Edit[] {
  const file =
    named(env['npm_config_userconfig']) ?? named(env['NPM_CONFIG_USERCONFIG']) ?? path.join(homeOf(env), '.npmrc')
  const place = { kind: 'npmrc', file, section: '' } as const
  const registry: Edit = { ...place, key: 'registry', value: npmRegistry(url) }
  return withToken ? [registry, { ...place, key: npmTokenKey(url) }] : [registry]
}

function pipEdits({ url, env }: UseRequest): readonly Edit[] {
  const file = named(env['PIP_CONFIG_FILE']) ?? path.join(configHome(env), 'pip', 'pip.conf')
  const place = { kind: 'pip-conf', file, section: 'global' } as const
  const index: Edit = { ...place, key: 'index-url', value: pythonIndex(url) }
  // pip refuses an index on plain http, this machine aside.
  return isInClear(url) ? [index, { ...place, key: 'trusted-host', value: url.host }] : [index]
}

function uvEdits({ url, env }: UseRequest): readonly Edit[] {
  const file = named(env['UV_CONFIG_FILE']) ?? path.join(configHome(env), 'uv', 'uv.toml')
  return [{ kind: 'uv-index', file, url: pythonIndex(url) }]
}

/** curl knows no other place; Python's clients and uv obey the variable. */
export function netrcFile(env: Environment): string {
  return named(env['NETRC']) ?? path.join(homeOf(env), '.netrc')
}

/** The file that a variable of a client names. */
function named(value: string | undefined): string | undefined {
  return value === undefined || value === '' ? undefined : path.resolve(value)
}
