import type { CliIo, Command } from './cli.ts'
import { CLIENT_ARGS, CREDENTIALS_NOTE, openDepot, sessionOf, URL_ARG } from './client/client.ts'
import { depotKey } from './client/depot-url.ts'
import { isOn } from './flags.ts'
import type { Environment } from './environment.ts'

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
      const session = await sessionOf(opened)
      if (isOn(flags, 'json')) {
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
