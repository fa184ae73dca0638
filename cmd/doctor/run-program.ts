import { execFile } from 'node:child_process'

import { DepotError } from '../../src/errors.ts'
import { LIMITS } from '../../src/limits.ts'
import { systemCode } from '../../src/thrown.ts'
import type { Environment } from '../environment.ts'

export interface ProgramPlace {
  readonly env: Environment
  readonly cwd: string
  /** How long all checks may take. */
  readonly limitMs: number
}

/** What keeps these programs from asking for newer ones, and from fetching the very version that a project names. */
const QUIET = {
  npm_config_update_notifier: 'false',
  npm_config_manage_package_manager_versions: 'false',
  COREPACK_ENABLE_NETWORK: '0',
  PIP_DISABLE_PIP_VERSION_CHECK: '1',
  NO_COLOR: '1',
}

/**
 * What a client's program prints, asked in somebody's environment and folder.
 *
 * @returns undefined where there is no such program
 * @throws DepotError when it fails, or takes too long
 */
export function runProgram(
  name: string,
  args: readonly string[],
  { env, cwd, limitMs }: ProgramPlace,
): Promise<string | undefined> {
  const options = {
    env: { ...env, ...QUIET },
    cwd,
    timeout: limitMs,
    killSignal: 'SIGKILL',
    maxBuffer: LIMITS.doctorAnswerBytesMax,
  } as const
  return new Promise((resolve, reject) => {
    execFile(name, [...args], options, (error, stdout, stderr) => {
      if (error === null) return resolve(stdout.trim())
      if (systemCode(error) === 'ENOENT') return resolve(undefined)
      const why = error.killed === true ? 'takes too long' : `says: ${stderr.trim().split('\n').at(-1) ?? ''}`
      reject(new DepotError('BAD_REQUEST', `${name} ${args.slice(0, 2).join(' ')} ${why}`))
    })
  })
}
