import type { Command } from './cli.ts'
import { variableOf, type SettingTable } from './settings/settings.ts'
import type { Described, Option } from './shells/described.ts'

export interface ManPage {
  /** The first is that of the page: `depot`, a group with its commands behind it, or one command alone. */
  readonly commands: readonly Described[]
  readonly version: string
  readonly date: Date
  readonly settings: SettingTable
}

/**
 * A manual page in the macros of man(7), in ASCII: what is not stands as its code point, so groff and mandoc need no preconv. The page
 * of depot has every command, that of a command itself alone.
 */
export function manPage({ commands, version, date, settings }: ManPage): string {
  const [first] = commands
  if (first === undefined) return ''
  const name = `depot${first.name === '' ? '' : `-${first.name.replaceAll(' ', '-')}`}`
  return [
    `.TH "${name.toUpperCase()}" 1 "${date.toISOString().slice(0, 10)}" "depot ${version}" "Depot"`,
    '.SH NAME',
    ...prose(`${name} - ${first.summary}`),
    ...(first.command === undefined
      ? overview(first, commands)
      : [...synopsis(first), ...alone(first.command, first.options)]),
    '.SH ENVIRONMENT',
    ...variables(settings).flatMap(([variable, meaning]) => term(bold(variable), meaning)),
    '.SH FILES',
    ...FILES.flatMap(([file, meaning]) => term(italic(file), meaning)),
    '.SH EXIT STATUS',
    ...STATUS.flatMap(([status, meaning]) => term(bold(status), meaning)),
    ...(first.command === undefined ? [] : ['.SH SEE ALSO', '.BR depot (1)']),
  ].join('\n')
}

/** All commands of a group: which there are, and then each. */
function overview({ name, summary }: Described, commands: readonly Described[]): readonly string[] {
  const callable = commands.filter(({ command }) => command !== undefined)
  return [
    '.SH SYNOPSIS',
    `.B depot ${name}`.trimEnd(),
    `${italic('command')} [${italic('options')}] [${italic('arguments')}]`,
    '.SH DESCRIPTION',
    ...prose(name === '' ? ABOUT : `${summary}.`),
    '.SH COMMANDS',
    ...callable.flatMap((each) => [
      `.SS ${bold(`depot ${each.name}`)}`,
      ...body(each.command),
      ...each.options.filter(({ flag }) => flag !== '--help').flatMap(option),
      ...examples(each.command),
    ]),
  ]
}

function synopsis({ name, operands }: Described): readonly string[] {
  const places = operands.map((operand) => ` [${italic(operand.name)}]`)
  return ['.SH SYNOPSIS', `${bold(`depot ${name}`)} [${italic('options')}]${places.join('')}`]
}

function alone(command: Command, options: readonly Option[]): readonly string[] {
  return [
    '.SH DESCRIPTION',
    ...paragraphs([command.description, command.notes ?? ''].join('\n\n')),
    '.SH OPTIONS',
    ...positionals(command),
    ...options.flatMap(option),
    '.SH EXAMPLES',
    ...block(command.examples),
  ]
}

function body(command: Command | undefined): readonly string[] {
  if (command === undefined) return []
  return [...paragraphs([command.description, command.notes ?? ''].join('\n\n')), ...positionals(command)]
}

function positionals({ args }: Command): readonly string[] {
  return Object.entries(args).flatMap(([name, { type, description = '' }]) =>
    type === 'positional' ? term(italic(name), description) : [],
  )
}

function option({ flag, value, description }: Option): readonly string[] {
  return term(value === undefined ? bold(flag) : `${bold(`${flag}=`)}${italic(value)}`, description)
}

function examples(command: Command | undefined): readonly string[] {
  return command === undefined ? [] : ['.PP', 'Examples:', ...block(command.examples)]
}

function variables(settings: SettingTable): readonly (readonly [string, string])[] {
  return [
    ...VARIABLES,
    ...Object.entries(settings).map(([name]) => [variableOf(name), `As --${name} of depot serve.`] as const),
  ]
}

function term(head: string, meaning: string): readonly string[] {
  return ['.TP', head, ...prose(meaning)]
}

function block(lines: readonly string[]): readonly string[] {
  return ['.RS 4', '.nf', ...lines.map(text), '.fi', '.RE']
}

/** What stands behind an empty line begins a paragraph; what is set in columns stays as it is. */
function paragraphs(words: string): readonly string[] {
  const parts = words.trim().split(/\n{2,}/)
  return parts.flatMap((part, index) => {
    const lines = /\S {2,}\S/.test(part) ? block(part.split('\n')) : prose(part)
    return [...(index === 0 ? [] : ['.PP']), ...lines]
  })
}

/** Filled by the formatter, so its lines may be cut at any blank: an input line is to have less than 80 characters. */
function prose(words: string): readonly string[] {
  const lines: string[] = []
  for (const word of words.split(/\s+/)) {
    const longer = `${lines.at(-1) ?? ''} ${word}`
    if (lines.length > 0 && longer.length <= LINE) lines[lines.length - 1] = longer
    else lines.push(word)
  }
  return lines.map(text)
}

/** Some characters take several when they are escaped. */
const LINE = 64

function bold(words: string): string {
  return `\\fB${text(words)}\\fR`
}

function italic(words: string): string {
  return `\\fI${text(words)}\\fR`
}

/** A line of roff that prints these words: a dot or a quote at its beginning would be a request, a bare dash is no minus. */
function text(words: string): string {
  const escaped = words
    .replaceAll('\\', '\\e')
    .replaceAll('-', '\\-')
    .replaceAll('~', '\\(ti')
    .replaceAll('^', '\\(ha')
    .replaceAll('`', '\\(ga')
    .replaceAll("'", '\\(aq')
  const ascii = Array.from(escaped, (character) => {
    const code = character.codePointAt(0) ?? 0
    return code < 128 ? character : `\\[u${code.toString(16).toUpperCase().padStart(4, '0')}]`
  }).join('')
  return ascii.startsWith('.') ? `\\&${ascii}` : ascii
}

const ABOUT =
  'One server that holds store paths of Nix, packages of npm and distributions of Python for a team, and the commands that fill it, look into it and carry it across an air gap. Plain clients install from it and publish to it.'

const VARIABLES = [
  ['DEPOT_URL', 'The depot to speak to, instead of that of the last login.'],
  ['DEPOT_AUTH_TOKEN', 'A token to show there, instead of signing with an SSH key.'],
  ['DEPOT_SSH_KEY', 'The SSH key to sign with: a file, its public file, or SHA256:… of one in the agent.'],
  ['DEPOT_CONFIG', 'The configuration file, as --config names it.'],
] as const

const FILES = [
  ['/etc/depot/depot.toml', 'Settings of the server; $XDG_CONFIG_HOME/depot/depot.toml comes first.'],
  [
    '$XDG_DATA_HOME/depot',
    'Data of the server, unless --store-path says otherwise; ~/.local/share without the variable.',
  ],
  ['$XDG_CONFIG_HOME/depot/profiles.json', 'What login and use remember. It holds nothing secret.'],
] as const

const STATUS = [
  ['0', 'All went well.'],
  ['1', 'Something failed, or was found wrong; what, stands on standard error.'],
  ['2', 'The command was called in a wrong way.'],
] as const
