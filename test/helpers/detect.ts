import { execFile } from 'node:child_process'
import { existsSync, readFileSync, realpathSync } from 'node:fs'
import { homedir } from 'node:os'
import path from 'node:path'
import process from 'node:process'
import { parseEnv, promisify } from 'node:util'

import postgres from 'postgres'

import { tempDir } from './temp-dir.ts'

/** Things outside the project that a suite may need. */
export type Part = keyof typeof PARTS | 'postgres'

/** Where a part is (a program, a script, a URL), or why it cannot be used and how to get it. */
export type Found = { readonly path: string } | { readonly missing: string }

export type Detection = Readonly<Record<Part, Found>>

const TIME_LIMIT_MS = 20_000
const TOOLS_HINT = 'test/tools.sh installs it'

/** A part is found by running it, never by looking at the platform. */
const PARTS = {
  nix: () => program([process.env['DEPOT_TEST_NIX'], onPath('nix')], 'no nix on PATH (apt-get install nix-bin)'),
  nixNew: () =>
    program([process.env['DEPOT_TEST_NIX_NEW'], tool('nix', 'NIX_NEW', 'nix')], `no nix 2.26 (${TOOLS_HINT})`),
  npm: npmScript,
  npm12: () => nodeScript([tool('npm', 'NPM_12', 'node_modules/npm/bin/npm-cli.js')], `no npm 12 (${TOOLS_HINT})`),
  pnpm: () => program([tool('pnpm', 'PNPM', 'node_modules/.bin/pnpm'), onPath('pnpm')], `no pnpm (${TOOLS_HINT})`),
  pnpmOld: () => program([tool('pnpm', 'PNPM_OLD', 'node_modules/.bin/pnpm')], `no pnpm 10 (${TOOLS_HINT})`),
  yarn: () => program([tool('yarn', 'YARN_1', 'node_modules/.bin/yarn')], `no yarn 1 (${TOOLS_HINT})`),
  yarnBerry: () => program([tool('yarn', 'YARN_BERRY', 'node_modules/.bin/yarn')], `no yarn 4 (${TOOLS_HINT})`),
  bun: () => program([tool('bun', 'BUN', 'node_modules/.bin/bun')], `no bun (${TOOLS_HINT})`),
  python,
  pip: () => program([tool('pip', 'PIP', 'bin/pip'), onPath('pip3')], `no pip (${TOOLS_HINT})`),
  pipOld: () => program([tool('pip', 'PIP_OLD', 'bin/pip')], `no old pip (${TOOLS_HINT})`),
  uv: () => program([tool('uv', 'UV', 'bin/uv'), onPath('uv')], `no uv (${TOOLS_HINT})`),
  twine: () => program([tool('twine', 'TWINE', 'bin/twine'), onPath('twine')], `no twine (${TOOLS_HINT})`),
  nginx: () => program([onPath('nginx'), '/usr/sbin/nginx'], 'no nginx (apt-get install nginx-light)', ['-v']),
  openssl: () => program([onPath('openssl')], 'no openssl on PATH (apt-get install openssl)', ['version']),
  faketime: () => program([onPath('faketime')], 'no faketime (apt-get install faketime)'),
  openssh,
  strace,
  tmpfs,
} satisfies Record<string, () => Promise<Found>>

/** Try every part, side by side, each within a time limit. `postgresUrl`: where PostgreSQL should answer, if anywhere. */
export async function detect(postgresUrl: string | undefined): Promise<Detection> {
  const finders = Object.entries<() => Promise<Found>>({ ...PARTS, postgres: () => postgresAt(postgresUrl) })
  const found = await Promise.all(finders.map(async ([part, find]) => [part, await find()] as const))
  return Object.fromEntries(found) as unknown as Detection
}

const run = promisify(execFile)

/** The first candidate that runs. */
async function program(
  candidates: readonly (string | undefined)[],
  missing: string,
  args = ['--version'],
): Promise<Found> {
  for (const candidate of candidates) {
    if (candidate !== undefined && (await runs(candidate, args))) return { path: candidate }
  }
  return { missing }
}

async function runs(command: string, args: readonly string[]): Promise<boolean> {
  try {
    await run(command, args, { timeout: TIME_LIMIT_MS, killSignal: 'SIGKILL' })
    return true
  } catch {
    return false
  }
}

function onPath(name: string): string | undefined {
  const folders = (process.env['PATH'] ?? '').split(path.delimiter).filter((folder) => path.isAbsolute(folder))
  return folders.map((folder) => path.join(folder, name)).find((file) => existsSync(file))
}

/** Where `test/tools.sh` puts a program. */
function tool(name: string, pin: string, relative: string): string {
  const pins = parseEnv(readFileSync(new URL('../tools.env', import.meta.url), 'utf8'))
  const tools = process.env['DEPOT_TEST_TOOLS'] ?? path.join(homedir(), '.cache/depot-tools')
  return path.join(tools, `${name}-${pins[pin] ?? ''}`, relative)
}

/** The host's npm. */
async function npmScript(): Promise<Found> {
  const onHost = onPath('npm')
  const candidates = [process.env['npm_execpath'], onHost && realpathSync(onHost)]
  return nodeScript(candidates, 'no npm on PATH (it comes with Node)')
}

/** An npm as a script for our own Node: `npm` itself would start on the host's. */
async function nodeScript(candidates: readonly (string | undefined)[], missing: string): Promise<Found> {
  for (const script of candidates) {
    if (script?.endsWith('npm-cli.js') && (await runs(process.execPath, [script, '--version']))) return { path: script }
  }
  return { missing }
}

/** The interpreter itself: a version manager's shim would look for its settings in the HOME of the client under test. */
async function python(): Promise<Found> {
  try {
    const { stdout } = await run('python3', ['-c', 'import sys, venv; print(sys.executable)'], {
      timeout: TIME_LIMIT_MS,
    })
    return { path: stdout.trim() }
  } catch {
    return { missing: 'no python3 with venv on PATH (apt-get install python3-venv)' }
  }
}

async function postgresAt(url: string | undefined): Promise<Found> {
  if (url === undefined)
    return { missing: 'no PostgreSQL (apt-get install postgresql, or set DEPOT_TEST_POSTGRES_URL)' }
  const sql = postgres(url, { max: 1, connect_timeout: 10, onnotice: () => undefined })
  try {
    await sql`select 1`
    return { path: url }
  } catch (error) {
    return { missing: `PostgreSQL does not answer: ${String(error)}` }
  } finally {
    await sql.end({ timeout: 1 })
  }
}

/** ssh-keygen, with ssh-agent and ssh-add beside it: it has no `--version`, so it makes a key. */
async function openssh(): Promise<Found> {
  await using directory = await tempDir('openssh')
  const makeKey = ['-q', '-t', 'ed25519', '-N', '', '-f', directory.join('key')]
  const found = await program([onPath('ssh-keygen')], 'no OpenSSH (apt-get install openssh-client)', makeKey)
  if ('missing' in found) return found
  const others = ['ssh-agent', 'ssh-add'].map((name) => path.join(path.dirname(found.path), name))
  return others.every((file) => existsSync(file)) ? found : { missing: 'no ssh-agent and ssh-add beside ssh-keygen' }
}

/** strace is there and the host lets it trace: containers may forbid ptrace. */
async function strace(): Promise<Found> {
  return program([onPath('strace')], 'no strace that may trace (apt-get install strace, allow ptrace)', [
    '-o',
    '/dev/null',
    'true',
  ])
}

/** Whether a small file system can be mounted, which takes root. */
async function tmpfs(): Promise<Found> {
  await using target = await tempDir('tmpfs')
  if (!(await runs('mount', ['-t', 'tmpfs', '-o', 'size=64k', 'tmpfs', target.path]))) {
    return { missing: 'cannot mount a tmpfs (run as root)' }
  }
  await run('umount', [target.path])
  return { path: '/dev/shm' }
}
