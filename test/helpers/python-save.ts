import { spawn } from 'node:child_process'
import { text } from 'node:stream/consumers'
import { once } from 'node:events'
import { mkdir, readdir, readFile, symlink } from 'node:fs/promises'
import path from 'node:path'
import process from 'node:process'

import { cleanEnv } from './clean-env.ts'
import { have } from './have.ts'
import type { PythonUpstream } from './python-upstream.ts'
import type { Finished } from './run-depot.ts'
import { tempDir } from './temp-dir.ts'

const LAUNCHER = path.join(import.meta.dirname, '..', '..', 'cmd', 'launch.js')

/** A person's machine outside, who saves from one index. */
export interface Saver extends AsyncDisposable {
  readonly home: string
  /** Where things are saved. */
  readonly folder: string
  save(args: readonly string[], options?: SaverOptions): Promise<Finished>
  /** Paths of all files that were saved, sorted. */
  saved(): Promise<readonly string[]>
  /** One of them. */
  read(at: string): Promise<Buffer>
  /** The entry of a file without what only the next save reads. */
  entry(at: string): Promise<Record<string, unknown>>
  join(...names: readonly string[]): string
}

export interface SaverOptions {
  readonly env?: Readonly<Record<string, string>>
  readonly stdin?: string
  /** Ends it the hard way as soon as this is true. */
  readonly killWhen?: () => boolean
}

/** @param resolver what is installed there; a Python always is */
export async function saver(upstream: PythonUpstream | undefined, resolver: 'uv' | 'pip' | 'none'): Promise<Saver> {
  const home = await tempDir('saver')
  const bin = home.join('bin')
  await mkdir(bin)
  if (resolver === 'uv') await symlink(have.paths.uv, path.join(bin, 'uv'))
  if (resolver !== 'none') await symlink(have.paths.python, path.join(bin, 'python3'))
  // A link would find the packages of its own place; this one has pip.
  const pip = resolver === 'pip' ? `${path.dirname(have.paths.pip)}:` : ''
  const folder = home.join('saved')
  const index = upstream === undefined ? {} : { PIP_INDEX_URL: upstream.index }
  const env = { PATH: `${pip}${bin}`, PIP_CONFIG_FILE: '/dev/null', DEPOT_PYTHON_DIR: folder, ...index }

  return {
    home: home.path,
    folder,
    join: (...names) => home.join(...names),
    async save(args, { env: more = {}, stdin, killWhen } = {}) {
      const child = spawn(process.execPath, [LAUNCHER, 'python', 'save', ...args], {
        env: cleanEnv(home.path, { ...env, ...more }),
        cwd: home.path,
        stdio: ['pipe', 'pipe', 'pipe'],
      })
      child.stdin.on('error', () => {})
      child.stdin.end(stdin ?? '')
      const closed = once(child, 'close')
      const timer = setInterval(() => killWhen?.() === true && child.kill('SIGKILL'), 1)
      const [stdout, stderr] = await Promise.all([text(child.stdout), text(child.stderr)])
      await closed
      clearInterval(timer)
      return { status: child.exitCode, stdout, stderr }
    },
    async saved() {
      const found = await readdir(folder, { recursive: true, withFileTypes: true })
      const files = found.filter((entry) => entry.isFile() && !entry.name.startsWith('.'))
      return files
        .map((entry) => path.relative(folder, path.join(entry.parentPath, entry.name)))
        .filter((file) => !file.startsWith('.'))
        .sort()
    },
    read: (at) => readFile(path.join(folder, at)),
    async entry(at) {
      const { _depot, ...entry } = JSON.parse(await readFile(path.join(folder, `${at}.json`), 'utf8')) as Record<
        string,
        unknown
      >
      return entry
    },
    [Symbol.asyncDispose]: () => home[Symbol.asyncDispose](),
  }
}
