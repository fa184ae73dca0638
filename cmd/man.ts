import { hint } from '../src/hint.ts'
import { UsageError, type CliIo, type Command, type CommandGroup } from './cli.ts'
import { SERVE_SETTINGS } from './settings/serve.ts'
import { manPage } from './man-page.ts'
import type { Environment } from './environment.ts'
import { describeCommands } from './shells/described.ts'
import { depotVersion } from './version.ts'

/** `depot man`. `group` is that of all commands. */
export function manCommand(group: CommandGroup, env: Environment, io: CliIo): Command {
  return {
    name: 'man',
    description: 'Print the manual page, of depot or of one command, as roff.',
    args: {
      command: {
        type: 'positional',
        description: 'A command, or a group of them: npm save, npm (default: all)',
        required: false,
      },
    },
    repeats: true,
    examples: ['depot man | man -l -', 'depot man npm save | man -l -', 'depot man > ~/.local/share/man/man1/depot.1'],
    async run({ positionals }) {
      const all = await describeCommands(group, 'one server for store paths, npm packages and Python distributions')
      const name = positionals.join(' ')
      // The page of a group has those of its commands.
      const commands = name === '' ? all : all.filter((each) => `${each.name} `.startsWith(`${name} `))
      if (commands.length === 0) {
        const names = all.map((each) => each.name).filter((each) => each !== '')
        throw new UsageError(`no manual page of '${name}'${hint(name, names)}`)
      }
      io.out(manPage({ commands, version: depotVersion(), date: dateOf(env), settings: SERVE_SETTINGS }))
      return 0
    },
  }
}

/** Today, or what the builder of a package says (https://reproducible-builds.org/specs/source-date-epoch/). */
function dateOf(env: Environment): Date {
  const seconds = env['SOURCE_DATE_EPOCH']
  return seconds !== undefined && /^\d{1,10}$/.test(seconds) ? new Date(1000 * Number(seconds)) : new Date()
}
