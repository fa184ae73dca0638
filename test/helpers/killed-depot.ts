import { spawn } from 'node:child_process'
import { once } from 'node:events'
import path from 'node:path'
import process from 'node:process'
import { setTimeout as sleep } from 'node:timers/promises'

import { cleanEnv } from './clean-env.ts'
import { tempDir } from './temp-dir.ts'

const LAUNCHER = path.join(import.meta.dirname, '..', '..', 'cmd', 'launch.js')

/**
 * Run a command in a process and a HOME of its own, and kill it once it has come so far, or `afterMs` later. Returns whether that ended it:
 * it may be done before.
 */
export async function killedWhen(
  isSoFar: () => boolean | Promise<boolean>,
  args: readonly string[],
  afterMs = 0,
): Promise<boolean> {
  await using home = await tempDir('killed')
  const child = spawn(process.execPath, [LAUNCHER, ...args], { env: cleanEnv(home.path), stdio: 'ignore' })
  const exited = once(child, 'exit')
  while (child.exitCode === null && !(await isSoFar())) await sleep(1)
  await sleep(afterMs)
  child.kill('SIGKILL')
  await exited
  return child.signalCode === 'SIGKILL'
}
