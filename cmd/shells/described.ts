import type { Command, CommandGroup } from '../cli.ts'

/** A command, or a group of them, as completions and the manual see it. */
export interface Described {
  /** `npm save`; the empty text for depot itself. */
  readonly name: string
  /** What the overview says of it. */
  readonly summary: string
  /** What may follow: names of commands with their summaries. */
  readonly commands: readonly { readonly name: string; readonly summary: string }[]
  readonly options: readonly Option[]
  readonly operands: readonly Operand[]
  /** Absent for a group. */
  readonly command?: Command
}

export interface Option {
  readonly flag: `--${string}`
  readonly description: string
  /** What the help calls its value; absent when it takes none. */
  readonly value?: string
  readonly takes: Words
}

/** An argument without a flag. */
export interface Operand {
  readonly name: string
  readonly takes: Words
}

/** What can be offered for a value: a few words, files, folders, or nothing that is known here. */
export type Words = readonly string[] | 'file' | 'folder' | 'nothing'

/** Everything below a group, the group first. `summary` is that of the group itself. */
export async function describeCommands(group: CommandGroup, summary = '', words = ''): Promise<readonly Described[]> {
  const names = Object.keys(group.commands)
  const below = await Promise.all(
    Object.entries(group.commands).map(async ([name, entry]) => {
      const called = `${words} ${name}`.trim()
      const told = group.descriptions[name] ?? ''
      return typeof entry === 'function'
        ? [described(called, told, await entry())]
        : await describeCommands(entry, told, called)
    }),
  )
  const commands = names.map((name) => ({ name, summary: group.descriptions[name] ?? '' }))
  return [{ name: words, summary, commands, options: [], operands: [] }, ...below.flat()]
}

function described(name: string, summary: string, command: Command): Described {
  const args = Object.entries(command.args)
  const options = args.filter(([, { type }]) => type !== 'positional')
  const operands = args.filter(([, { type }]) => type === 'positional')
  return {
    name,
    summary,
    commands: [],
    command,
    options: [
      ...options.map(([arg, definition]): Option => {
        const { type, description = '', valueHint } = definition
        const option = { flag: `--${arg}` as const, description }
        if (type === 'boolean') return { ...option, takes: 'nothing' }
        const words = definition.type === 'enum' ? definition.options : undefined
        const value = valueHint ?? words?.join('|') ?? arg.toUpperCase()
        return { ...option, value, takes: words ?? byHint(valueHint) }
      }),
      { flag: '--help', description: 'Say how it is called', takes: 'nothing' },
    ],
    operands: operands.map(([arg]) => ({ name: arg, takes: command.values?.[arg] ?? byName(arg) })),
  }
}

/** The help's word for a value says what it is. */
function byHint(hint: string | undefined): Words {
  if (hint === 'DIR') return 'folder'
  return ['FILE', 'PATH', 'KEY', 'BUNDLE', 'INVENTORY'].includes(hint ?? '') ? 'file' : 'nothing'
}

function byName(operand: string): Words {
  if (operand === 'folder') return 'folder'
  const files = ['file', 'path', 'installable', 'spec', 'target', 'bundle', 'before', 'after']
  return files.includes(operand) ? 'file' : 'nothing'
}
