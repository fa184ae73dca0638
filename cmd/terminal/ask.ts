import { execFile } from 'node:child_process'
import { openSync, writeSync } from 'node:fs'
import { open } from 'node:fs/promises'
import { createInterface } from 'node:readline/promises'
import { ReadStream } from 'node:tty'
import { promisify } from 'node:util'

import type { Ask } from '../../auth/key-file.ts'
import { DepotError } from '../../src/errors.ts'
import type { Environment } from '../environment.ts'

/**
 * How a person can be asked for a secret, as ssh does it: by the program of `SSH_ASKPASS` when `SSH_ASKPASS_REQUIRE` says so, or there
 * is a screen and no terminal; else on the terminal. Undefined when there is nobody.
 */
export async function askSecret(env: Environment): Promise<Ask | undefined> {
  const program = env['SSH_ASKPASS']
  const required = env['SSH_ASKPASS_REQUIRE']
  const screen = env['DISPLAY'] !== undefined || env['WAYLAND_DISPLAY'] !== undefined
  const byProgram = program === undefined || program === '' ? undefined : askProgram(program, env)
  if (required === 'force' || (required === 'prefer' && byProgram !== undefined)) return byProgram
  if (await hasTerminal()) return askTerminal
  return screen && required !== 'never' ? byProgram : undefined
}

/** A question that is answered by yes or no; undefined when standard input is no terminal. */
export async function confirm(question: string): Promise<boolean | undefined> {
  if (!process.stdin.isTTY) return undefined
  using lines = createInterface({ input: process.stdin, output: process.stderr })
  return /^y(?:es)?$/i.test((await lines.question(`${question} [y/N] `)).trim())
}

function askProgram(program: string, env: Environment): Ask {
  return async (prompt) => {
    try {
      const { stdout } = await promisify(execFile)(program, [prompt], { env, maxBuffer: SECRET_LENGTH_MAX })
      return stdout.replace(/\r?\n$/, '')
    } catch {
      // Its error may hold what the person typed.
      throw new DepotError('UNAUTHENTICATED', `${program} (SSH_ASKPASS) gave no answer`)
    }
  }
}

const SECRET_LENGTH_MAX = 4096
const TERMINAL = '/dev/tty'

async function hasTerminal(): Promise<boolean> {
  try {
    await using _handle = await open(TERMINAL, 'r+')
    return true
  } catch {
    return false
  }
}

/** The terminal itself rather than standard input, which may be a file; nothing that is typed is shown. */
async function askTerminal(prompt: string): Promise<string> {
  const terminal = openSync(TERMINAL, 'r+')
  // It closes the descriptor.
  const input = new ReadStream(terminal)
  // Before the prompt: what is typed at once must not be shown either.
  input.setRawMode(true)
  try {
    writeSync(terminal, `${prompt.trimEnd()} `)
    return await readHidden(input)
  } finally {
    input.setRawMode(false)
    writeSync(terminal, '\n')
    input.destroy()
  }
}

async function readHidden(input: ReadStream): Promise<string> {
  let typed = ''
  for await (const piece of input.setEncoding('utf8').iterator({ destroyOnReturn: false })) {
    for (const sign of String(piece)) {
      if (sign === '\r' || sign === '\n') return typed
      if (sign === INTERRUPT || sign === END) throw new DepotError('UNAUTHENTICATED', 'nothing was entered')
      typed = sign === BACKSPACE || sign === '\b' ? typed.slice(0, -1) : typed + sign
      if (typed.length > SECRET_LENGTH_MAX)
        throw new DepotError('UNAUTHENTICATED', 'that is longer than any passphrase')
    }
  }
  throw new DepotError('UNAUTHENTICATED', 'the terminal went away')
}

const INTERRUPT = '\u0003'
const END = '\u0004'
const BACKSPACE = '\u007f'
