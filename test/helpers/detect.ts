import { execFile } from 'node:child_process'
import { existsSync, realpathSync } from 'node:fs'
import path from 'node:path'
import process from 'node:process'
import { promisify } from 'node:util'

import postgres from 'postgres'

import { PUBLIC_INDEX } from '../../protocols/python/save/index-client.ts'
import { type Found, nodeScript, onPath, program, runs, TIME_LIMIT_MS } from './probe.ts'
import { answersS3 } from './s3.ts'
import type { ServiceUrls } from './services.ts'
import { tempDir } from './temp-dir.ts'
import { TOOLS } from './tools.ts'

const run = promisify(execFile)

/** Things outside the project that a suite may need. */
export type Part = keyof typeof PARTS | keyof ServiceUrls

export type Detection = Readonly<Record<Part, Found>>

/** The user that every system has, and that may do nothing. */
export const NOBODY = 65_534

/** A part is found by running it, never by looking at the platform. */
const PARTS = {
  ...TOOLS,
  nix: () => program([process.env['DEPOT_TEST_NIX'], onPath('nix')], 'no nix on PATH (apt-get install nix-bin)'),
  npm: npmScript,
  npmRegistry,
  python,
  pythonIndex,
  nginx: () => program([onPath('nginx'), '/usr/sbin/nginx'], 'no nginx (apt-get install nginx-light)', ['-v']),
  pgbouncer: () => program([onPath('pgbouncer'), '/usr/sbin/pgbouncer'], 'no pgbouncer (apt-get install pgbouncer)'),
  caddy: () => program([onPath('caddy')], 'no caddy (apt-get install caddy)', ['version']),
  openssl: () => program([onPath('openssl')], 'no openssl on PATH (apt-get install openssl)', ['version']),
  sqlite3: () => program([onPath('sqlite3')], 'no sqlite3 on PATH (apt-get install sqlite3)'),
  zsh: () => program([onPath('zsh')], 'no zsh on PATH (apt-get install zsh)'),
  fish: () => program([onPath('fish')], 'no fish on PATH (apt-get install fish)'),
  mandoc: () => program([onPath('mandoc')], 'no mandoc on PATH (apt-get install mandoc)', ['/dev/null']),
  groff: () => program([onPath('groff')], 'no groff on PATH (apt-get install groff-base)'),
  systemd: () => program([onPath('systemd-analyze')], 'no systemd-analyze on PATH (apt-get install systemd)'),
  faketime: () => program([onPath('faketime')], 'no faketime (apt-get install faketime)'),
  openssh,
  strace,
  tmpfs,
  netns,
  nobody,
  nodeOld,
  debian,
} satisfies Record<string, () => Promise<Found>>

/** Try every part, side by side, each within a time limit. `urls`: where servers should answer, if anywhere. */
export async function detect(urls: ServiceUrls): Promise<Detection> {
  const finders = Object.entries<() => Promise<Found>>({
    ...PARTS,
    postgres: () => postgresAt(urls.postgres),
    s3: () => s3At(urls.s3, 'no S3 server (test/tools.sh s3, or set DEPOT_TEST_S3_URL)'),
    s3Second: () => s3At(urls.s3Second, 'no second S3 server (test/tools.sh s3, or set DEPOT_TEST_S3_SECOND_URL)'),
    s3Odd: () => s3At(urls.s3Odd, 'no third S3 server (test/tools.sh s3, or set DEPOT_TEST_S3_ODD_URL)'),
  })
  const found = await Promise.all(finders.map(async ([part, find]) => [part, await find()] as const))
  return Object.fromEntries(found) as unknown as Detection
}

/** The host's npm. */
async function npmScript(): Promise<Found> {
  const onHost = onPath('npm')
  const candidates = [process.env['npm_execpath'], onHost && realpathSync(onHost)]
  return nodeScript(candidates, 'no npm on PATH (it comes with Node)')
}

/** The registry that the user's npm is set to, if it can be reached: closed networks have none. */
async function npmRegistry(): Promise<Found> {
  try {
    const { stdout } = await run('npm', ['config', 'get', 'registry'], { timeout: TIME_LIMIT_MS })
    const url = new URL(stdout.trim().replace(/\/?$/, '/'))
    const { ok } = await fetch(new URL('ms', url), { method: 'HEAD', signal: AbortSignal.timeout(TIME_LIMIT_MS) })
    if (ok) return { path: url.href }
  } catch {
    // It is the same for the tests.
  }
  return { missing: 'the registry that npm is set to cannot be reached (npm config get registry)' }
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

async function s3At(url: string | undefined, missing: string): Promise<Found> {
  if (url === undefined) return { missing }
  try {
    await answersS3(url)
    return { path: url }
  } catch (error) {
    return { missing: `the S3 server does not answer: ${String(error)}` }
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

/** A Node that is too old to run the depot: the host's, where it is one. */
async function nodeOld(): Promise<Found> {
  for (const folder of (process.env['PATH'] ?? '').split(path.delimiter)) {
    const candidate = path.join(folder, 'node')
    if (path.isAbsolute(folder) && (await runs(candidate, ['-e', OLD]))) return { path: candidate }
  }
  return { missing: 'no Node before 24 on PATH' }
}

const OLD = 'process.exit(parseInt(process.versions.node, 10) < 24 ? 0 : 1)'

/** Whether a program can be run as another user, which takes root. */
async function nobody(): Promise<Found> {
  try {
    await run(process.execPath, ['--version'], { uid: NOBODY, gid: NOBODY, timeout: TIME_LIMIT_MS })
    return { path: process.execPath }
  } catch {
    return { missing: 'cannot run a program as nobody (run as root)' }
  }
}

/** Whether packages of Debian can be downloaded: apt and its lists are there. */
async function debian(): Promise<Found> {
  const listed = await runs('apt-get', ['download', '--print-uris', 'libc6'])
  return listed ? { path: 'apt-get' } : { missing: 'no lists of Debian packages (apt-get update, on Debian)' }
}

/** The index that pip is set to in the environment, else the public one, if it can be reached. */
async function pythonIndex(): Promise<Found> {
  try {
    const url = new URL((process.env['PIP_INDEX_URL'] ?? PUBLIC_INDEX).replace(/\/?$/, '/'))
    const { ok } = await fetch(new URL('idna/', url), { method: 'HEAD', signal: AbortSignal.timeout(TIME_LIMIT_MS) })
    if (ok) return { path: url.href }
  } catch {
    // It is the same for the tests.
  }
  return { missing: 'the index that pip is set to cannot be reached (PIP_INDEX_URL)' }
}

/** Whether a program can be run where there is no network but its own loopback, which takes root. */
async function netns(): Promise<Found> {
  const made = await runs('unshare', ['--net', 'ip', 'link', 'set', 'lo', 'up'])
  return made
    ? { path: 'unshare' }
    : { missing: 'cannot cut a program off from the network (run as root, with iproute2)' }
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
