import type { Described, Option, Words } from './described.ts'
import { quoted } from './quoted.ts'

/** The completion of `depot` for zsh: a file `_depot` in a folder of `$fpath`, or sourced behind `compinit`. */
export function zshCompletion(all: readonly Described[]): string {
  const paths = all.filter(({ name }) => name !== '').map(({ name }) => quoted(` ${name}`))
  return `#compdef depot
_depot() {
  local at=''
  local -i i count=0
  for ((i = 2; i < CURRENT; i++)); do
    case "$at $words[i]" in
      (${paths.join('|')}) at+=" $words[i]"; count+=1 ;;
    esac
  done
  shift count words
  ((CURRENT -= count))
  case "$at" in
${all.map(branch).join('\n')}
  esac
}
if [[ $zsh_eval_context[-1] == loadautofunc ]]; then _depot "$@"; else compdef _depot depot; fi`
}

function branch({ name, commands, options, operands, command }: Described): string {
  const label = `    (${quoted(name === '' ? '' : ` ${name}`)})`
  if (commands.length > 0) {
    const lines = commands.map((each) => quoted(`${each.name}:${each.summary}`))
    return `${label}\n      local -a commands=(${lines.join(' ')})\n      _describe command commands ;;`
  }
  const places = operands.map(({ name: operand, takes }, index) => {
    const place = command?.repeats === true && index === operands.length - 1 ? '*' : String(index + 1)
    return quoted(`${place}:${escaped(operand)}:${action(takes)}`)
  })
  return `${label}\n      _arguments -S ${[...options.map(option), ...places].join(' \\\n        ')} ;;`
}

function option({ flag, description, value, takes }: Option): string {
  const told = `[${escaped(description)}]`
  return quoted(
    value === undefined ? `${flag}${told}` : `*${flag}=${told}:${escaped(value.toLowerCase())}:${action(takes)}`,
  )
}

function action(takes: Words): string {
  if (takes === 'nothing') return '()'
  if (takes === 'file') return '_files'
  return takes === 'folder' ? '_files -/' : `(${takes.join(' ')})`
}

/** What _arguments would take for the end of a part. */
function escaped(text: string): string {
  return text.replaceAll(/[\\[\]:]/g, '\\$&')
}
