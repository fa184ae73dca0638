import { depotKey } from '../client/depot-url.ts'
import type { Profiles } from '../client/profiles.ts'
import { USED_CLIENTS, type UsedClient } from './edits.ts'

/** The clients that `depot use` has set to the depot before, as its notes say. Pure. */
export function setUpClients(url: URL, { depots }: Profiles): readonly UsedClient[] {
  const key = depotKey(url)
  const edits = (Object.hasOwn(depots, key) ? depots[key]?.edits : undefined) ?? []
  const set = new Set(edits.map(({ kind }) => CLIENT_OF[kind]))
  return USED_CLIENTS.filter((client) => set.has(client))
}

/** Whose file an edit is of; the netrc is everybody's. */
const CLIENT_OF: Readonly<Record<string, UsedClient>> = {
  'nix-word': 'nix',
  'nix-value': 'nix',
  npmrc: 'npm',
  'pip-conf': 'pip',
  'uv-index': 'uv',
}
