import { spawn } from 'node:child_process'
import { once } from 'node:events'
import path from 'node:path'
import process from 'node:process'
import { text } from 'node:stream/consumers'

import { cleanEnv } from './clean-env.ts'
import { tempDir } from './temp-dir.ts'

const LAUNCHER = path.join(import.meta.dirname, '..', '..', 'cmd', 'launch.js')

export interface Finished {
  readonly status: number | null
  readonly stdout: string
  readonly stderr: string
}

/** Run one `depot` command to its end, in a process and a HOME of its own. Its standard input ends behind `input`. */
export async function runDepot(
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
  input?: string | Uint8Array,
): Promise<Finished> {
  await using home = await tempDir('cli')
  const child = spawn(process.execPath, [LAUNCHER, ...args], {
    env: cleanEnv(home.path, env),
    cwd: home.path,
    stdio: ['pipe', 'pipe', 'pipe'],
  })
  // A command that does not read it may be gone before it is written.
  child.stdin.on('error', () => {})
  child.stdin.end(input)
  const closed = once(child, 'close')
  const [stdout, stderr] = await Promise.all([text(child.stdout), text(child.stderr)])
  await closed
  return { status: child.exitCode, stdout, stderr }
}
