import { UsageError, type CliIo, type Command, type CommandGroup } from './cli.ts'
import { bashCompletion } from './shells/bash.ts'
import { describeCommands, type Described } from './shells/described.ts'
import { fishCompletion } from './shells/fish.ts'
import { zshCompletion } from './shells/zsh.ts'

/** `depot completions`. `group` is that of all commands. */
export function completionsCommand(group: CommandGroup, io: CliIo): Command {
  return {
    name: 'completions',
    description: 'Print what bash, zsh or fish need to complete the commands of depot, their options and values.',
    args: { shell: { type: 'positional', description: Object.keys(SHELLS).join(', '), required: true } },
    values: { shell: Object.keys(SHELLS) },
    notes: 'What is printed belongs to this version of depot: print it again after an update.',
    examples: [
      'source <(depot completions bash)',
      'depot completions bash > ~/.local/share/bash-completion/completions/depot',
      'depot completions zsh > "${fpath[1]}/_depot"',
      'depot completions fish > ~/.config/fish/completions/depot.fish',
    ],
    async run({ positionals: [shell = ''] }) {
      const print = Object.hasOwn(SHELLS, shell) ? SHELLS[shell] : undefined
      if (print === undefined)
        throw new UsageError(`for which shell? depot completions ${Object.keys(SHELLS).join('|')}`)
      io.out(print(await describeCommands(group)))
      return 0
    },
  }
}

const SHELLS: Readonly<Record<string, (all: readonly Described[]) => string>> = {
  bash: bashCompletion,
  zsh: zshCompletion,
  fish: fishCompletion,
}
