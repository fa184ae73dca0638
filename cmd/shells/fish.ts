import type { Described, Operand, Option, Words } from './described.ts'

/** The completion of `depot` for fish: a file `depot.fish` in `~/.config/fish/completions`, or sourced. */
export function fishCompletion(all: readonly Described[]): string {
  const paths = all.filter(({ name }) => name !== '').map(({ name }) => quoted(name))
  return `# fish completion of depot
function __depot_at
    set -l at
    set -l given (commandline -opc)
    set -e given[1]
    for word in $given
        contains -- (string join -- ' ' $at $word) ${paths.join(' ')}
        and set -a at $word
    end
    test "$at" = "$argv[1]"
end
complete -c depot -f
${all.flatMap(lines).join('\n')}`
}

function lines({ name, commands, options, operands }: Described): readonly string[] {
  const here = `complete -c depot -n ${quoted(`__depot_at ${quoted(name)}`)}`
  return [
    ...commands.map((command) => `${here} -a ${command.name} -d ${quoted(command.summary)}`),
    ...options.map((each) => `${here} ${option(each)}`),
    ...new Set(operands.map((each) => operand(each)).filter((words) => words !== '')),
  ].map((line) => (line.startsWith('complete') ? line : `${here} ${line}`))
}

function option({ flag, description, value, takes }: Option): string {
  const told = `-l ${flag.slice(2)} -d ${quoted(description)}`
  return value === undefined ? told : `${told} -r ${values(takes)}`
}

function values(takes: Words): string {
  if (takes === 'nothing') return '-f'
  if (takes === 'file') return '-F'
  return takes === 'folder' ? `-f -a '(__fish_complete_directories)'` : `-f -a ${quoted(takes.join(' '))}`
}

function operand({ takes }: Operand): string {
  if (takes === 'nothing') return ''
  return takes === 'file' ? '-F' : values(takes)
}

function quoted(text: string): string {
  return `'${text.replaceAll(/[\\']/g, '\\$&')}'`
}
