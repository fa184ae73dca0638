import { DepotError } from '../src/errors.ts'
import type { CliIo, Command } from './cli.ts'
import { CLIENT_ARGS, CREDENTIALS_NOTE, openDepot, URL_ARG } from './client.ts'
import { askSession } from './depot-api.ts'
import { depotKey } from './depot-url.ts'
import type { Environment } from './settings.ts'

/** `depot whoami`: who a depot takes us for. */
export function whoamiCommand(env: Environment, io: CliIo): Command {
  return {
    name: 'whoami',
    description:
      'Say who a depot takes you for, and what you may do there. The exit status is 1 when you are not let in.',
    args: { url: URL_ARG, ...CLIENT_ARGS, json: { type: 'boolean', description: 'One JSON object' } },
    notes: CREDENTIALS_NOTE,
    examples: ['depot whoami', 'depot whoami https://depot.example.org --json'],
    async run({ flags, positionals }) {
      const opened = await openDepot({ url: positionals[0], flags, env, io })
      const { url } = opened
      const session = opened.session ?? (await askSession(opened)).session
      if (session === undefined)
        throw new DepotError('UNAUTHENTICATED', `${depotKey(url)} does not, or no longer, take ${opened.who}`)
      if (flags['json']?.at(-1) === 'true') {
        io.out(JSON.stringify({ url: depotKey(url), ...session }))
        return 0
      }
      const { principal, grants, open, expiresAt } = session
      io.out(depotKey(url))
      io.out(open ? '  anonymous: it asks nobody for credentials' : `  ${principal.name} (${principal.id})`)
      if (principal.key !== '' && principal.key !== principal.id) io.out(`  by the key ${principal.key}`)
      io.out(`  may ${grants.join(' ')}`)
      // A login by key is made anew for each request: its end is of no interest.
      if (expiresAt !== undefined && principal.key !== principal.id)
        io.out(`  until ${new Date(expiresAt).toISOString()}`)
      return 0
    },
  }
}
