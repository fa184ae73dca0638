import { parseArgs, stripVTControlCharacters } from 'node:util'

import type { ArgsDef, CommandDef } from 'citty'

import { DepotError } from '../src/errors.ts'
import { hint } from '../src/hint.ts'
import { plainLines } from './terminal/plain.ts'

/** A mistake in how the command was called: told in one line, exit status 2. */
export class UsageError extends Error {
  override readonly name = 'UsageError'
}

/** One command. Data first: help, completions and the argument check all read it. */
export interface Command {
  /** As it is called: 'serve', 'token create'. */
  readonly name: string
  readonly description: string
  readonly args: ArgsDef
  /** The last positional may be given several times. */
  readonly repeats?: boolean
  /** The words that a positional takes, by its name, where they are few: completions offer them. Flags have `options`. */
  readonly values?: Readonly<Record<string, readonly string[]>>
  /** What the help says below the options. */
  readonly notes?: string
  /** Whole command lines, each doing something a newcomer wants. */
  readonly examples: readonly string[]
  /** Returns the exit status. */
  run(args: ParsedArgs): Promise<number>
}

/** Values as they were typed: flags by name, and what came without one. A flag may repeat. */
export interface ParsedArgs {
  readonly flags: Readonly<Record<string, readonly string[]>>
  readonly positionals: readonly string[]
}

export interface CliIo {
  out(line: string): void
  err(line: string): void
}

/** Commands by name, loaded when they are wanted; some names stand for a group of commands. */
export type CommandTable = Readonly<Record<string, (() => Promise<Command>) | CommandGroup>>

/** Commands that share their first word: `depot token create`, `depot token list`. */
export interface CommandGroup {
  readonly commands: CommandTable
  /** What the overview says of each. */
  readonly descriptions: Readonly<Record<string, string>>
}

export interface Cli extends CommandGroup {
  readonly version: string
  readonly io: CliIo
}

/**
 * Run one command line and return its exit status: 0, 1 for a failure, 2 for wrong usage. citty describes the commands and prints
 * their usage; the arguments are parsed here because it takes unknown flags in silence and keeps only the last of a repeated one.
 */
export async function runCli(cli: Cli, argv: readonly string[]): Promise<number> {
  try {
    if (argv[0] === '--version' || argv[0] === '-v') {
      cli.io.out(cli.version)
      return 0
    }
    return await runGroup(cli, cli, [], argv)
  } catch (error) {
    return report(error, cli.io)
  }
}

/** `words` led to this group: none for `depot` itself. */
async function runGroup(
  cli: Cli,
  group: CommandGroup,
  words: readonly string[],
  argv: readonly string[],
): Promise<number> {
  const [name, ...rest] = argv
  if (name === undefined || name === 'help' || isHelp(name)) {
    cli.io.out(overview(cli, group, words))
    return name === undefined ? 2 : 0
  }
  const found = Object.hasOwn(group.commands, name) ? group.commands[name] : undefined
  const called = [...words, name].join(' ')
  if (found === undefined) throw new UsageError(`unknown command '${called}'${hint(name, Object.keys(group.commands))}`)
  if (typeof found !== 'function') return runGroup(cli, found, [...words, name], rest)
  const command = await found()
  const end = rest.indexOf('--')
  if (rest.slice(0, end === -1 ? undefined : end).some(isHelp)) {
    cli.io.out(await usage(command))
    return 0
  }
  return command.run(parseArguments(command, rest))
}

function isHelp(argument: string): boolean {
  return argument === '--help' || argument === '-h'
}

function overview({ version }: Cli, { commands, descriptions }: CommandGroup, words: readonly string[]): string {
  const called = ['depot', ...words].join(' ')
  const names = Object.keys(commands)
  const width = Math.max(...names.map(({ length }) => length))
  return [
    `depot ${version}`,
    '',
    `Usage: ${called} <command> [options]`,
    '',
    ...names.map((name) => `  ${name.padEnd(width)}  ${descriptions[name] ?? ''}`),
    '',
    `See '${called} <command> --help'.`,
  ].join('\n')
}

/** How a command is called, its options and examples. */
async function usage(command: Command): Promise<string> {
  const definition: CommandDef<ArgsDef> = {
    meta: { name: command.name, description: command.description },
    args: command.args,
  }
  const { renderUsage } = await import('citty')
  // citty colours its output wherever it goes, also into files and pagers, and fills its lines with blanks.
  const text = stripVTControlCharacters(await renderUsage(definition, { meta: { name: 'depot' } }))
  const lines = text.trimEnd().split('\n')
  const notes = command.notes === undefined ? [] : ['', command.notes]
  const examples = ['', 'EXAMPLES', '', ...command.examples.map((line) => `  ${line}`)]
  return [...lines.map((line) => line.trimEnd()), ...notes, ...examples].join('\n')
}

/** Split and check the arguments of a command. @throws UsageError naming the nearest known flag */
export function parseArguments(command: Pick<Command, 'args' | 'repeats'>, argv: readonly string[]): ParsedArgs {
  const options = Object.fromEntries(
    Object.entries(command.args)
      .filter(([, definition]) => definition.type !== 'positional')
      .map(([name, { type, ...definition }]) => [
        name,
        {
          type: type === 'boolean' ? ('boolean' as const) : ('string' as const),
          multiple: true as const,
          ...('alias' in definition && typeof definition.alias === 'string' ? { short: definition.alias } : {}),
        },
      ]),
  )
  const { tokens } = parseArgs({ args: [...argv], options, strict: false, tokens: true })
  const flags: Record<string, string[]> = {}
  const positionals: string[] = []
  for (const token of tokens) {
    if (token.kind === 'positional') positionals.push(token.value)
    if (token.kind === 'option') addFlag(flags, token, options)
  }
  refuseExtra(command, positionals)
  return { flags, positionals }
}

interface OptionToken {
  readonly name: string
  readonly rawName: string
  readonly value?: string | undefined
  readonly inlineValue?: boolean | undefined
}

function addFlag(
  flags: Record<string, string[]>,
  { name, rawName, value, inlineValue }: OptionToken,
  options: Readonly<Record<string, { readonly type: 'boolean' | 'string' }>>,
): void {
  const option = Object.hasOwn(options, name) ? options[name] : undefined
  const names = Object.keys(options).map((known) => `--${known}`)
  if (option === undefined) throw new UsageError(`unknown flag '${rawName}'${hint(rawName, names)}`)
  const missing = value === undefined || value === '' || (inlineValue === false && value.startsWith('--'))
  if (option.type === 'string' && missing) throw new UsageError(`${rawName} needs a value`)
  const given = option.type === 'boolean' ? booleanWord(rawName, value) : (value ?? '')
  flags[name] = [...(flags[name] ?? []), given]
}

function booleanWord(rawName: string, value: string | undefined): string {
  if (value === undefined || value === 'true') return 'true'
  if (value === 'false') return 'false'
  throw new UsageError(`${rawName} is either there or not; it takes no value '${value}'`)
}

function refuseExtra({ args, repeats }: Pick<Command, 'args' | 'repeats'>, positionals: readonly string[]): void {
  if (repeats === true) return
  const expected = Object.values(args).filter(({ type }) => type === 'positional').length
  if (positionals.length > expected) throw new UsageError(`unexpected argument '${positionals[expected]}'`)
}

function report(error: unknown, io: CliIo): number {
  if (error instanceof UsageError) {
    io.err(`depot: ${plainLines(error.message)}`)
    return 2
  }
  if (error instanceof DepotError) {
    // What a client is not told, the operator needs: which file, which host.
    const cause = error.cause instanceof Error ? `\n  ${error.cause.message}` : ''
    io.err(plainLines(`depot: ${error.message}${cause}`))
    return 1
  }
  io.err(`depot: a bug, please report it:\n${error instanceof Error ? (error.stack ?? error.message) : String(error)}`)
  return 1
}
