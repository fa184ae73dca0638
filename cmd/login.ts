import { confirm } from './terminal/ask.ts'
import { UsageError, type CliIo, type Command } from './cli.ts'
import { CLIENT_ARGS, CREDENTIALS_NOTE, openWithKeys, URL_ARG } from './client/client.ts'
import { approveLogin, waitingLogin, type Session } from './client/depot-api.ts'
import { depotKey } from './client/depot-url.ts'
import { isOn, lastOf } from './flags.ts'
import { changeProfiles, withDepot } from './client/profiles.ts'
import type { Environment } from './environment.ts'

/** `depot login`: find the key that a depot knows, and make it the depot that other commands are about. */
export function loginCommand(env: Environment, io: CliIo): Command {
  return {
    name: 'login',
    description: 'Find the SSH key that a depot knows, and remember both. Nothing secret is stored.',
    args: {
      url: { ...URL_ARG, description: 'URL of the depot' },
      ...CLIENT_ARGS,
      approve: {
        type: 'string',
        description: 'Let the client that shows this code in: npm login prints one',
        valueHint: 'CODE',
      },
      yes: { type: 'boolean', description: 'Approve without asking' },
    },
    notes: CREDENTIALS_NOTE.replace('DEPOT_AUTH_TOKEN; else ', ''),
    examples: [
      'depot login https://depot.example.org',
      'depot login https://depot.example.org --identity ~/.ssh/id_work',
      'depot login https://depot.example.org --approve ABCD-EFGH',
    ],
    async run({ flags, positionals }) {
      const opened = await openWithKeys({ url: positionals[0], flags, env, io })
      const { url, who, identity, session } = opened
      const code = lastOf(flags, 'approve')
      if (code !== undefined) return approve({ code, yes: isOn(flags, 'yes'), opened, io })
      await changeProfiles(env, (profiles) => ({
        ...withDepot(profiles, depotKey(url), ({ identity: _old, ...profile }) => ({
          ...profile,
          ...(identity === undefined || session.open ? {} : { identity }),
        })),
        current: depotKey(url),
      }))
      if (session.open) io.out(`${depotKey(url)} asks nobody for credentials; it is your depot from now on`)
      else io.out(`logged in to ${depotKey(url)} as ${who}, with ${session.grants.join(' ')}`)
      return 0
    },
  }
}

interface Approval {
  readonly code: string
  readonly yes: boolean
  readonly opened: Awaited<ReturnType<typeof openWithKeys>>
  readonly io: CliIo
}

async function approve({ code, yes, opened, io }: Approval): Promise<number> {
  const { url, who, session } = opened
  const waiting = await waitingLogin(opened, code)
  io.err(`${waiting.client} at ${waiting.address} waits with the code ${code} at ${depotKey(url)}.`)
  io.err(`It gets what you, ${who}, have of npm:`)
  for (const grant of npmGrants(session)) io.err(`  ${grant}`)
  io.err('Approve only a login that you began yourself: that is what your screen must show, and your address.')
  const answer = yes || (await confirm('Let them in?'))
  if (answer === undefined) throw new UsageError('there is no terminal to ask on: say --yes')
  if (!answer) return 1
  const { client, grants } = await approveLogin(opened, code)
  io.out(`approved: ${client} has ${grants.join(' ')}`)
  return 0
}

function npmGrants({ grants }: Session): readonly string[] {
  return grants.filter((grant) => grant.startsWith('npm:') || grant.startsWith('*:'))
}
