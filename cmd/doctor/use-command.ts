import { depotKey } from '../client/depot-url.ts'
import type { Profiles } from '../client/profiles.ts'
import { setUpClients } from '../use/set-up-clients.ts'
import { USED_CLIENTS, type UsedClient } from '../use/edits.ts'

/** The command that sets a client to the depot, together with those that it was set up for before: one token does for all. Pure. */
export function useCommandFor(url: URL, profiles: Profiles, client: UsedClient): string {
  const before = setUpClients(url, profiles)
  const clients = USED_CLIENTS.filter((each) => each === client || before.includes(each))
  const flags = clients.length === USED_CLIENTS.length ? [] : clients.map((each) => `--${each}`)
  return ['depot use', depotKey(url), ...flags].join(' ')
}
