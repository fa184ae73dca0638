import { depotKey } from '../depot-url.ts'
import type { Profiles } from '../profiles.ts'
import { USED_CLIENTS, type UsedClient } from '../use-edits.ts'

/**
 * The command that sets a client to the depot, together with those that it was set up for before: they share a netrc, and so the token
 * in it, which is made for the clients that are named. Pure.
 */
export function useCommandFor(url: URL, { depots }: Profiles, client: UsedClient): string {
  const key = depotKey(url)
  const edits = (Object.hasOwn(depots, key) ? depots[key]?.edits : undefined) ?? []
  const set = new Set(edits.map(({ kind }) => CLIENT_OF[kind]))
  const clients = USED_CLIENTS.filter((each) => each === client || set.has(each))
  const flags = clients.length === USED_CLIENTS.length ? [] : clients.map((each) => `--${each}`)
  return ['depot use', key, ...flags].join(' ')
}

/** Whose file an edit is of; the netrc is everybody's. */
const CLIENT_OF: Readonly<Record<string, UsedClient>> = {
  'nix-word': 'nix',
  'nix-value': 'nix',
  npmrc: 'npm',
  'pip-conf': 'pip',
  'uv-index': 'uv',
}
