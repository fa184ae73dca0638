import type { Described, Option, Words } from './described.ts'

/** The completion of `depot` for bash 4 and later; it needs no other package. Words are split at `=` by readline. */
export function bashCompletion(all: readonly Described[]): string {
  const paths = all.filter(({ name }) => name !== '').map(({ name }) => `' ${name}'`)
  return `# bash completion of depot
_depot() {
  local cur=\${COMP_WORDS[COMP_CWORD]} prev=\${COMP_WORDS[COMP_CWORD - 1]} at='' i
  if [[ $cur == = ]]; then
    cur=''
  elif [[ $prev == = ]]; then
    prev=\${COMP_WORDS[COMP_CWORD - 2]}
  fi
  for ((i = 1; i < COMP_CWORD; i++)); do
    case "$at \${COMP_WORDS[i]}" in
    ${paths.join(' | ')}) at="$at \${COMP_WORDS[i]}" ;;
    esac
  done
  COMPREPLY=()
  case "$at" in
${all.map(branch).join('\n')}
  esac
}
_depot_words() {
  mapfile -t -O "\${#COMPREPLY[@]}" COMPREPLY < <(compgen -W "$1" -- "$cur")
}
_depot_files() {
  compopt -o filenames 2>/dev/null
  mapfile -t -O "\${#COMPREPLY[@]}" COMPREPLY < <(compgen "$1" -- "$cur")
}
complete -F _depot depot`
}

function branch({ name, commands, options, operands }: Described): string {
  const label = name === '' ? "''" : `' ${name}'`
  const body =
    commands.length > 0
      ? [`_depot_words '${[...commands.map((command) => command.name), '--help'].join(' ')}'`]
      : [...values(options), ...rest(options, operands)]
  return [`  ${label})`, ...body.map((line) => `    ${line}`), '    ;;'].join('\n')
}

/** What an option takes that stands before the word. */
function values(options: readonly Option[]): readonly string[] {
  const taking = options.filter(({ value }) => value !== undefined)
  if (taking.length === 0) return []
  const cases = [...Map.groupBy(taking, ({ takes }) => offer(takes))].map(
    ([words, those]) => `${those.map(({ flag }) => flag).join(' | ')}) ${words}return ;;`,
  )
  return ['case "$prev" in', ...cases, 'esac']
}

function rest(options: readonly Option[], operands: Described['operands']): readonly string[] {
  const offers = new Set(operands.map(({ takes }) => offer(takes)))
  return [
    `if [[ $cur == -* ]]; then _depot_words '${options.map(({ flag }) => flag).join(' ')}'; return; fi`,
    ...[...offers].filter((words) => words !== ''),
  ]
}

function offer(takes: Words): string {
  if (takes === 'nothing') return ''
  if (takes === 'file') return '_depot_files -f; '
  return takes === 'folder' ? '_depot_files -d; ' : `_depot_words '${takes.join(' ')}'; `
}
