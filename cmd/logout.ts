import { DepotError } from '../src/errors.ts'
import type { CliIo, Command } from './cli.ts'
import { CLIENT_ARGS, findDepot, openDepot, URL_ARG, type OpenDepotOptions } from './client/client.ts'
import { revokeToken } from './client/depot-api.ts'
import { depotKey } from './client/depot-url.ts'
import { undoEdits } from './config-files/edit-plan.ts'
import { changeProfiles, readProfiles } from './client/profiles.ts'
import type { Environment } from './environment.ts'
import { forgetDepot } from './use/used-tokens.ts'

/** `depot logout`: end what `depot login` and `depot use` began. */
export function logoutCommand(env: Environment, io: CliIo): Command {
  return {
    name: 'logout',
    description:
      'Revoke the tokens that depot use made, take out what it wrote, and forget the depot. SSH keys stay as they are.',
    args: { url: URL_ARG, ...CLIENT_ARGS },
    notes: 'A depot that cannot be reached is forgotten all the same; the tokens that could not be revoked are named.',
    examples: ['depot logout', 'depot logout https://depot.example.org'],
    async run({ flags, positionals }) {
      const profiles = await readProfiles(env)
      const { url } = findDepot({ url: positionals[0], env, io }, profiles)
      const key = depotKey(url)
      const profile = Object.hasOwn(profiles.depots, key) ? profiles.depots[key] : undefined
      if (profile === undefined) throw new DepotError('NOT_FOUND', `you are not logged in to ${key}`)
      const ids = (profile.tokens ?? []).map(({ id }) => id)
      // First, while the profile still says which key is good there.
      const left = await revokeAll(ids, { url: key, flags, env, io })
      await undoEdits(profile.edits ?? [], new Set(ids))
      await changeProfiles(env, (now) => forgetDepot(now, key))
      for (const file of new Set((profile.edits ?? []).map((edit) => edit.file))) io.out(`cleaned ${file}`)
      io.out(`logged out of ${key}`)
      if (left.length > 0) io.err(`depot: not revoked, and good until they end: ${left.join(' ')}`)
      return 0
    },
  }
}

/** As many as the depot lets us. Returns those that are left. */
async function revokeAll(ids: readonly string[], options: OpenDepotOptions): Promise<readonly string[]> {
  const left: string[] = []
  if (ids.length === 0) return left
  try {
    const depot = await openDepot(options)
    for (const id of ids)
      await revokeToken(depot, id).catch((error: unknown) => void left.push(told(error, id, options.io)))
    return left
  } catch (error) {
    told(error, 'tokens', options.io)
    return ids
  }
}

function told(error: unknown, what: string, io: CliIo): string {
  if (!(error instanceof DepotError)) throw error
  io.err(`depot: ${what}: ${error.message}`)
  return what
}
