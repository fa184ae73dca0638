import { execFile } from 'node:child_process'
import { mkdir, writeFile } from 'node:fs/promises'
import path from 'node:path'
import process from 'node:process'
import { promisify } from 'node:util'

import { z } from 'zod'

import { parseArguments } from '../../cmd/cli.ts'
import { doctorCommand } from '../../cmd/doctor.ts'
import type { CliUser } from './cli-user.ts'

const FINDING = z.strictObject({
  check: z.string(),
  status: z.enum(['ok', 'warn', 'fail', 'skip']),
  message: z.string().min(1),
  fix: z.string().min(1).optional(),
})

export type FoundByDoctor = z.infer<typeof FINDING>

/** What `depot doctor` found: everything, and what is not as it should be. */
export interface Examined {
  readonly status: number | null
  readonly findings: readonly FoundByDoctor[]
  readonly troubles: readonly FoundByDoctor[]
}

/** Tests run side by side, and package managers then take long to start. */
const PATIENCE = ['--timeout', '60']

/** Let the doctor look, as this user, in their HOME or another folder, within this process. */
export async function examine(
  user: CliUser,
  args: readonly string[] = [],
  env: Readonly<Record<string, string>> = {},
  cwd = user.path,
): Promise<Examined> {
  const lines: string[] = []
  const io = { out: (line: string) => void lines.push(line), err: () => {} }
  const command = doctorCommand({ env: { ...user.env, ...env }, io, cwd })
  const status = await command.run(parseArguments(command, ['--json', ...PATIENCE, ...args]))
  return examined(status, lines)
}

/** The same by the program itself. */
export async function examineByProcess(
  user: CliUser,
  args: readonly string[] = [],
  env: Readonly<Record<string, string>> = {},
): Promise<Examined> {
  const { status, stdout, stderr } = await user.run(['doctor', '--json', ...PATIENCE, ...args], env)
  if (stdout === '') throw new Error(`the doctor said nothing: ${stderr}`)
  return examined(status, stdout.trim().split('\n'))
}

function examined(status: number | null, lines: readonly string[]): Examined {
  const findings = lines.map((line) => FINDING.parse(JSON.parse(line)))
  return {
    status,
    findings,
    troubles: findings.filter((finding) => finding.status === 'warn' || finding.status === 'fail'),
  }
}

/** The only trouble that there is. @throws Error when there is another number of them */
export function onlyTrouble({ troubles }: Examined): FoundByDoctor & { readonly fix: string } {
  const [trouble] = troubles
  if (trouble?.fix === undefined || troubles.length !== 1)
    throw new Error(`not one trouble: ${JSON.stringify(troubles, undefined, 2)}`)
  return { ...trouble, fix: trouble.fix }
}

/**
 * Paste lines into the user's shell, in which `depot` is this checkout's and Node is ours. Returns what they print, and the variables
 * that they leave exported.
 */
export async function paste(
  user: CliUser,
  lines: string,
  programs: Readonly<Record<string, string>> = {},
): Promise<{ readonly stdout: string; readonly env: Readonly<Record<string, string>> }> {
  const bin = await binOf(user, programs)
  const env = { ...user.env, PATH: `${bin}:${path.dirname(process.execPath)}:${user.env['PATH'] ?? ''}` }
  const script = `${lines}\nprintf '\\n===\\0'; env -0`
  const { stdout } = await promisify(execFile)('bash', ['-ec', script], { env, cwd: user.path, timeout: 60_000 })
  const [said = '', left = ''] = stdout.split('\n===\0')
  const exported = left.split('\0').map((line): [string, string] => {
    const at = line.indexOf('=')
    return [line.slice(0, at), line.slice(at + 1)]
  })
  return { stdout: said, env: Object.fromEntries(exported.filter(([name]) => name !== '' && name !== '_')) }
}

/** A folder with `depot` and these programs, each of them a script that starts it on our own Node where it is one of JavaScript. */
export async function binOf(user: CliUser, programs: Readonly<Record<string, string>> = {}): Promise<string> {
  const launcher = path.join(import.meta.dirname, '..', '..', 'cmd', 'launch.js')
  const bin = user.join('bin')
  await mkdir(bin, { recursive: true })
  for (const [name, file] of Object.entries({ depot: launcher, ...programs })) {
    const command = /\.[cm]?js$/.test(file) ? `'${process.execPath}' '${file}'` : `'${file}'`
    await writeFile(path.join(bin, name), `#!/bin/sh\nexec ${command} "$@"\n`, { mode: 0o755 })
  }
  return bin
}
