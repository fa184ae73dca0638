import { execFile } from 'node:child_process'
import { mkdir, writeFile } from 'node:fs/promises'
import { promisify } from 'node:util'

import { afterAll, beforeAll, describe, expect, it } from 'vitest'

import { cleanEnv } from '../helpers/clean-env.ts'
import { describeWith } from '../helpers/have.ts'
import { runDepot } from '../helpers/run-depot.ts'
import { tempDir, type TempDir } from '../helpers/temp-dir.ts'

const run = promisify(execFile)

/** What is typed, and what is offered: one word of several, or the only one. */
const OFFERS: readonly (readonly [typed: string, offered: readonly string[]])[] = [
  ['depot sys', ['systemd-unit']],
  ['depot zzz', []],
  ['depot inv', ['inventory']],
  ['depot npm re', ['rewrite-lock']],
  ['depot bundle diff --he', ['--help']],
  ['depot nix push --no-c', ['--no-closure']],
  ['depot serve --storage-type m', ['memory']],
  ['depot token create --print=netr', ['netrc']],
  ['depot python save --sdist if', ['if-needed']],
  ['depot python status greeting arch', ['archived']],
  ['depot bundle verify carr', ['carried bundle.tar']],
  ['depot serve --auth-file carr', ['carried bundle.tar']],
  ['depot serve --store-path fol', ['folder']],
  ['depot serve --store-path carr', []],
  ['depot serve --listen-addr carr', []],
]

let dir: TempDir

beforeAll(async () => {
  dir = await tempDir('completions')
  await writeFile(dir.join('carried bundle.tar'), '')
  await mkdir(dir.join('folder'))
  for (const shell of ['bash', 'zsh', 'fish']) {
    await writeFile(dir.join(shell), (await runDepot(['completions', shell])).stdout)
  }
})
afterAll(async () => dir[Symbol.asyncDispose]())

async function shell(command: string, ...args: readonly string[]): Promise<string> {
  const options = { cwd: dir.path, env: { ...cleanEnv(dir.join('home')), TERM: 'dumb' }, timeout: 20_000 }
  return (await run(command, args, options)).stdout
}

describe('completions', () => {
  it('are for three shells, and say so', async () => {
    expect(await runDepot(['completions', 'tcsh'])).toMatchObject({
      status: 2,
      stderr: 'depot: for which shell? depot completions bash|zsh|fish\n',
    })
  })
})

describe('completions of bash', () => {
  /** As readline does it: words are split at blanks and at `=`. */
  const BASH = `source ./bash
    mapfile -t COMP_WORDS < <(sed -E 's/=/\\n=\\n/g; s/ /\\n/g' <<<"$1")
    COMP_CWORD=$((\${#COMP_WORDS[@]} - 1)) COMPREPLY=()
    _depot; printf '%s\\n' "\${COMPREPLY[@]}"`

  it.each(OFFERS)('after %j offer %j', async (typed, offered) => {
    expect((await shell('bash', '-c', BASH, 'bash', typed)).split('\n').filter(Boolean)).toEqual(offered)
  })

  it('offer a file by its name, whatever that would mean to a shell', async () => {
    const names = ['odd *', 'odd $(id)', 'odd `id`', 'odd \\']
    await Promise.all(names.map((name) => writeFile(dir.join(name), '')))
    const offered = (await shell('bash', '-c', BASH, 'bash', 'depot bundle verify odd')).split('\n').filter(Boolean)
    expect(offered.sort()).toEqual(names.sort())
  })

  it('offer every command where none was begun', async () => {
    const offered = (await shell('bash', '-c', BASH, 'bash', 'depot token ')).split('\n').filter(Boolean)
    expect(offered).toEqual(['create', 'list', 'revoke', '--help'])
  })
})

describeWith('zsh', 'completions of zsh', () => {
  /** A terminal in which a line is typed and completed; the command it has become is then run, and says what it was. */
  const ZSH = `zmodload zsh/zpty
    zpty z zsh -f -i
    zpty -w z 'PS1=; autoload -U compinit; compinit -D; source ./zsh; depot() { print -r -- "RAN<$*[-1]>" }'
    zpty -w -n z "$1"$'\\t\\n'
    zpty -r z out '*RAN<[^$]*>*'
    print -r -- "\${\${out##*RAN<}%%>*}"`

  const only = OFFERS.filter(([, offered]) => offered.length > 0)

  it.each(only)('make of %j the only word that fits, %j', async (typed, [word = '']) => {
    const completed = (await shell('zsh', '-f', '-c', ZSH, 'zsh', typed)).trim().replace(/^--print=/, '')
    expect(completed).toBe(word)
  })

  it('are a file that compinit can load by itself', async () => {
    expect(await shell('zsh', '-f', '-c', 'head -n 1 ./zsh; zsh -n ./zsh')).toBe('#compdef depot\n')
  })
})

describeWith('fish', 'completions of fish', () => {
  it.each(OFFERS)('after %j offer %j', async (typed, offered) => {
    const script = 'source ./fish; complete -C $argv[1]'
    const printed = await shell('fish', '--no-config', '-c', script, typed)
    const words = printed.split('\n').map((line) => line.replace(/\t.*/, '').replace(/^--print=/, ''))
    expect(words.map((word) => word.replace(/\/$/, '')).filter(Boolean)).toEqual(offered)
  })

  it('say what each command does', async () => {
    const printed = await shell('fish', '--no-config', '-c', 'source ./fish; complete -C "depot tok"')
    expect(printed).toBe('token\tTokens for clients that cannot use an SSH key\n')
  })
})
