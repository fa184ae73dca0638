import { z } from 'zod'

import { findDistribution } from '../protocols/python/filename.ts'
import { callApi, type Connection } from './client/api.ts'
import { UsageError, type CliIo, type Command } from './cli.ts'
import { CLIENT_ARGS, CREDENTIALS_NOTE, openDepot } from './client/client.ts'
import { isOn } from './flags.ts'
import { plain } from './terminal/plain.ts'
import type { Environment } from './environment.ts'

/** `depot wanted`. */
export function wantedCommand(env: Environment, io: CliIo): Command {
  return {
    name: 'wanted',
    description:
      'List what clients asked a depot for and it does not hold, as `depot npm|python|nix save --stdin` reads it.',
    args: {
      ecosystem: {
        type: 'positional',
        description: 'npm, python or nix; the URL of the depot may follow',
        required: true,
      },
      ...CLIENT_ARGS,
      clear: { type: 'boolean', description: 'Forget them all, once they are listed' },
    },
    values: { ecosystem: Object.keys(SPECS) },
    repeats: true,
    notes:
      'The server keeps at most ten thousand names of each, and no longer tells those that it holds by now. To list them takes the\n' +
      `right to write, for they may name what others keep to themselves; --clear takes the right to administer.\n\n${CREDENTIALS_NOTE}`,
    examples: ['depot wanted npm > npm.txt', 'depot wanted nix --clear https://depot.inside > nix.txt'],
    async run({ flags, positionals }) {
      const [ecosystem = '', url, ...more] = positionals
      const asSpec = Object.hasOwn(SPECS, ecosystem) ? SPECS[ecosystem as keyof typeof SPECS] : undefined
      if (asSpec === undefined || more.length > 0)
        throw new UsageError("list what? 'depot wanted npm', python or nix, and the URL of the depot behind it")
      const depot = await openDepot({ url, flags, env, io })
      const specs = (await wantedOf(depot, ecosystem)).flatMap((name) => asSpec(name) ?? [])
      for (const spec of new Set(specs)) io.out(plain(spec))
      if (isOn(flags, 'clear')) await callApi(depot, { method: 'DELETE', path: `/${ecosystem}/-/wanted` }, z.unknown())
      return 0
    },
  }
}

/** How a name is told to `save`. */
const SPECS = {
  npm: (name: string): string | undefined => name,
  python: pythonSpec,
  nix: (name: string): string | undefined => name,
}

/** `flask` for a project, `flask==3.0.0` for one of its files. */
function pythonSpec(name: string): string | undefined {
  const [project = '', file] = name.split('/')
  if (file === undefined) return project
  const distribution = findDistribution(file)
  return distribution && `${project}==${distribution.version.text}`
}

async function wantedOf(depot: Connection, ecosystem: string): Promise<readonly string[]> {
  const answer = z.object({ wanted: z.array(z.string().max(NAME_LENGTH_MAX)) })
  return (await callApi(depot, { method: 'POST', path: `/${ecosystem}/-/wanted` }, answer)).wanted
}

const NAME_LENGTH_MAX = 1024
