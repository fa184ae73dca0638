import { execFile } from 'node:child_process'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { promisify } from 'node:util'

import { cleanEnv } from './clean-env.ts'
import { runDepot, type Finished } from './run-depot.ts'
import { startServerProcess, type ServerProcess } from './server-process.ts'
import { makeKey, type KeyOptions, type TestKey } from './ssh-keys.ts'
import { tempDir, type TempDir } from './temp-dir.ts'

/** Somebody who uses the command line: a HOME that stays over several commands. */
export interface CliUser extends TempDir {
  readonly env: Readonly<Record<string, string>>
  run(args: readonly string[], env?: Readonly<Record<string, string>>): Promise<Finished>
  /** As `run`, but a failure of the command is one of the test. Returns its standard output. */
  ok(args: readonly string[], env?: Readonly<Record<string, string>>): Promise<string>
  /** A key in `~/.ssh`, by default where ssh looks for one. */
  key(options?: Partial<KeyOptions>, name?: string): Promise<TestKey>
  /** A file below HOME, one character a byte; undefined when it is not there. */
  read(name: string): Promise<string | undefined>
  write(name: string, content: string): Promise<string>
}

export async function cliUser(): Promise<CliUser> {
  const home = await tempDir('user')
  // No agent of whoever runs the tests, and nobody at the terminal.
  const env = { ...cleanEnv(home.path), SSH_AUTH_SOCK: home.join('no-agent'), SSH_ASKPASS_REQUIRE: 'force' }
  const run: CliUser['run'] = (args, more = {}) => runDepot(args, { ...env, ...more })
  return {
    ...home,
    env,
    run,
    async ok(args, more) {
      const { status, stdout, stderr } = await run(args, more)
      if (status !== 0) throw new Error(`depot ${args.join(' ')} ended with ${status}:\n${stdout}${stderr}`)
      return stdout
    },
    async key(options, name = 'id_ed25519') {
      const folder = home.join('.ssh')
      await mkdir(folder, { recursive: true, mode: 0o700 })
      return makeKey(folder, { kind: 'ed25519', ...options }, name)
    },
    read: (name) => readFile(home.join(name), 'latin1').catch(() => undefined),
    async write(name, content) {
      const file = home.join(name)
      await mkdir(path.dirname(file), { recursive: true })
      await writeFile(file, content, 'latin1')
      return file
    },
  }
}

/** Run another program as the user, in their HOME; resolves with its standard output. @throws Error with what it printed */
export async function runAs(user: CliUser, program: string, ...args: readonly string[]): Promise<string> {
  try {
    const env = { ...user.env, UV_PYTHON_DOWNLOADS: 'never', PIP_DISABLE_PIP_VERSION_CHECK: '1' }
    return (await execute(program, args, { env, cwd: user.path, timeout: 60_000 })).stdout
  } catch (error) {
    const { stdout = '', stderr = '' } = error as { stdout?: string; stderr?: string }
    throw new Error(`${program} ${args.join(' ')} failed:\n${stdout}${stderr}`, { cause: error })
  }
}

const execute = promisify(execFile)

/** A depot that lets these keys in, and nobody else to read. */
export async function depotFor(
  user: CliUser,
  keys: readonly { readonly right: string; readonly key: TestKey; readonly words?: string }[],
): Promise<ServerProcess> {
  const lines = keys.map(({ right, key, words = '' }) => `${right} ${key.type} ${key.base64} ${key.comment}${words}\n`)
  const file = await user.write('auth-file', lines.join(''))
  return startServerProcess({ args: ['--auth-file', file, '--read-auth', 'always'] })
}
