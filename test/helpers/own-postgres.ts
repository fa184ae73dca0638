import { execFile } from 'node:child_process'
import { readdir, readFile, writeFile } from 'node:fs/promises'
import process from 'node:process'
import { promisify } from 'node:util'

import { freePort } from './free-port.ts'
import { tempDir } from './temp-dir.ts'

/** A PostgreSQL of a test's own, which it may break. */
export interface OwnPostgres extends AsyncDisposable {
  readonly url: string
  /** Have it end without a word, as a crash would, and start again. */
  crash(): Promise<void>
  /** Stop all of its processes where they are, and let them go on. */
  pause(): Promise<void>
  resume(): Promise<void>
  /** Have it follow another server, which there is not, as one does that was replaced; and lead again. */
  follow(): Promise<void>
  lead(): Promise<void>
}

const run = promisify(execFile)

/** Start one that syncs what it writes, on a free port; with further settings of the server. */
export async function startOwnPostgres(settings: Readonly<Record<string, string>> = {}): Promise<OwnPostgres> {
  const dir = await tempDir('postgres')
  const data = dir.join('data')
  const port = await freePort()
  if (process.getuid?.() === 0) await run('chown', ['postgres', dir.path])
  await run('chmod', ['0711', dir.path])
  await control('initdb', ['-D', data, '-U', 'postgres', '-A', 'trust', '-E', 'UTF8', '--locale=C.UTF-8', '--no-sync'])
  const all = { listen_addresses: '127.0.0.1', unix_socket_directories: dir.path, ...settings }
  const options = [`-p ${port}`, ...Object.entries(all).map(([name, value]) => `-c ${name}=${value}`)].join(' ')
  const start = ['-D', data, '-w', '-l', dir.join('log'), '-o', options]
  await control('pg_ctl', [...start, 'start'])

  /** While the first one stands still it starts no others, and those that end keep their numbers. */
  async function signal(name: 'SIGSTOP' | 'SIGCONT'): Promise<void> {
    const postmaster = Number((await readFile(`${data}/postmaster.pid`, 'utf8')).split('\n')[0])
    if (name === 'SIGSTOP') process.kill(postmaster, name)
    for (const pid of await childrenOf(postmaster)) process.kill(pid, name)
    if (name === 'SIGCONT') process.kill(postmaster, name)
  }

  return {
    url: `postgres://postgres@127.0.0.1:${port}/postgres`,
    crash: () => control('pg_ctl', [...start, '-m', 'immediate', 'restart']),
    pause: () => signal('SIGSTOP'),
    resume: () => signal('SIGCONT'),
    async follow() {
      await writeFile(`${data}/standby.signal`, '')
      await control('pg_ctl', [...start, '-m', 'fast', 'restart'])
    },
    lead: () => control('pg_ctl', ['-D', data, '-w', 'promote']),
    async [Symbol.asyncDispose]() {
      await control('pg_ctl', ['-D', data, '-m', 'immediate', '-w', 'stop']).catch(() => {})
      await dir[Symbol.asyncDispose]()
    },
  }
}

/** Run one of PostgreSQL's own programs, as a user that it does not refuse. */
async function control(program: string, args: readonly string[]): Promise<void> {
  const file = `${await newestBin()}/${program}`
  const [command, ...rest] =
    process.getuid?.() === 0 ? ['runuser', '-u', 'postgres', '--', file, ...args] : [file, ...args]
  // The server keeps what it inherits: whoever waits for the end of its output would wait for its own.
  await run('sh', ['-c', 'exec "$@" >/dev/null 2>&1', 'sh', command ?? file, ...rest], { cwd: '/', timeout: 60_000 })
}

async function newestBin(): Promise<string> {
  const versions = await readdir('/usr/lib/postgresql').catch(() => [])
  const newest = versions.map(Number).sort((a, b) => b - a)[0]
  if (newest === undefined) throw new Error('no PostgreSQL in /usr/lib/postgresql')
  return `/usr/lib/postgresql/${newest}/bin`
}

async function childrenOf(pid: number): Promise<readonly number[]> {
  const children = await readFile(`/proc/${pid}/task/${pid}/children`, 'utf8')
  return children.trim().split(' ').filter(Boolean).map(Number)
}
