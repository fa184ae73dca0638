import { execFile } from 'node:child_process'
import { mkdir, writeFile } from 'node:fs/promises'
import path from 'node:path'

import { cleanEnv } from './clean-env.ts'
import { tempDir, type TempDir } from './temp-dir.ts'
import type { BuiltFile } from './wheel.ts'

export interface Ran {
  readonly status: number
  readonly output: string
}

/** A person's machine with Python clients and nothing else: its own HOME, its own caches, no configuration. */
export interface PythonClient extends AsyncDisposable {
  /** Run a program, by default in its HOME; its output is stdout and stderr together. */
  run(program: string, args: readonly string[], env?: Readonly<Record<string, string>>, cwd?: string): Promise<Ran>
  /** As `run`, but a failure of the program is one of the test. */
  ok(program: string, args: readonly string[], env?: Readonly<Record<string, string>>): Promise<string>
  /** Write a file, and return its path. */
  write(name: string, content: string | Uint8Array): Promise<string>
  /** Write distribution files, and return their paths. */
  save(...files: readonly BuiltFile[]): Promise<string[]>
  /** A path in its folder. */
  join(...names: string[]): string
}

const TIME_LIMIT_MS = 60_000

export async function pythonClient(): Promise<PythonClient> {
  const home = await tempDir('python')
  const write = writerIn(home)
  const run: PythonClient['run'] = (program, args, env, cwd) =>
    start(program, args, { home, cwd: cwd ?? home.path, env: { ...SETTINGS, ...env } })
  return {
    run,
    async ok(program, args, env) {
      const { status, output } = await run(program, args, env)
      if (status !== 0) throw new Error(`${path.basename(program)} ${args.join(' ')} ended with ${status}:\n${output}`)
      return output
    },
    write,
    save: (...files) => Promise.all(files.map(({ filename, bytes }) => write(`dist/${filename}`, bytes))),
    join: (...names) => home.join(...names),
    [Symbol.asyncDispose]: () => home[Symbol.asyncDispose](),
  }
}

/** No questions, no configuration, no requests for anything but what the test is about. */
const SETTINGS = {
  PIP_CONFIG_FILE: '/dev/null',
  PIP_DISABLE_PIP_VERSION_CHECK: '1',
  PIP_NO_INPUT: '1',
  // On plain http pip caches pages of hosts that it was told to trust, as it does on https.
  PIP_TRUSTED_HOST: '127.0.0.1',
  UV_NO_CONFIG: '1',
  UV_PYTHON_DOWNLOADS: 'never',
  TWINE_NON_INTERACTIVE: '1',
  PYTHON_KEYRING_BACKEND: 'keyring.backends.null.Keyring',
  NO_COLOR: '1',
}

function writerIn(home: TempDir): PythonClient['write'] {
  return async (name, content) => {
    const file = home.join(name)
    await mkdir(path.dirname(file), { recursive: true })
    await writeFile(file, content)
    return file
  }
}

interface StartOptions {
  readonly home: TempDir
  readonly cwd: string
  readonly env: Readonly<Record<string, string>>
}

function start(program: string, args: readonly string[], { home, cwd, env }: StartOptions): Promise<Ran> {
  const options = {
    cwd,
    env: cleanEnv(home.path, env),
    timeout: TIME_LIMIT_MS,
    killSignal: 'SIGKILL',
  } as const
  return new Promise((resolve) => {
    const child = execFile(program, args, options, (_error, stdout, stderr) => {
      resolve({ status: child.exitCode ?? 1, output: stdout + stderr })
    })
  })
}
