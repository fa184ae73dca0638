import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import process from 'node:process'

import { freePort } from '../helpers/free-port.ts'
import { output } from './load.ts'

const ROOT = path.join(import.meta.dirname, '..', '..')

export interface BenchServer extends AsyncDisposable {
  readonly url: string
  readonly pid: number
  /** Milliseconds from the start of the process to its first answer. */
  readonly coldStartMs: number
}

/** The launcher beside the built depot, as in an installation: in a checkout it would start the sources. */
const launcher = lazily(() => {
  const dir = mkdtempSync(path.join(tmpdir(), 'depot-installed-'))
  mkdirSync(path.join(dir, 'cmd'))
  writeFileSync(path.join(dir, 'package.json'), '{"type":"module"}')
  copyFileSync(path.join(ROOT, 'cmd', 'launch.js'), path.join(dir, 'cmd', 'launch.js'))
  symlinkSync(path.join(ROOT, 'dist'), path.join(dir, 'dist'))
  process.once('exit', () => rmSync(dir, { recursive: true, force: true }))
  return path.join(dir, 'cmd', 'launch.js')
})

function lazily<T>(make: () => T): () => T {
  let made: { readonly value: T } | undefined
  return () => (made ??= { value: make() }).value
}

/** The built depot on a data folder, its access log on and written to a file. */
export async function startDepot(dataDir: string, args: readonly string[] = []): Promise<BenchServer> {
  const port = await freePort()
  const script = launcher()
  const log = path.join(dataDir, '..', 'depot.log')
  mkdirSync(dataDir, { recursive: true })
  const command = `exec "$0" "$@" 2>>'${log}'`
  const flags = ['serve', '--listen-addr', `127.0.0.1:${port}`, '--store-path', dataDir, ...args]
  return started(
    spawn('sh', ['-c', command, process.execPath, script, ...flags], { stdio: 'ignore' }),
    port,
    '/healthz',
  )
}

/** Run a command of the built depot to its end, in a HOME without keys. @throws Error when it fails */
export async function runDepot(args: readonly string[]): Promise<string> {
  const script = path.join(ROOT, 'dist', 'cmd', 'depot.js')
  return output('env', ['-i', 'HOME=/nonexistent', process.execPath, script, ...args])
}

/** The built proxy in front of a depot that asks nobody for credentials, in a HOME without keys. */
export async function startProxy(home: string, target: string): Promise<BenchServer> {
  const port = await freePort()
  const script = path.join(ROOT, 'dist', 'cmd', 'depot.js')
  mkdirSync(home, { recursive: true })
  const env = { HOME: home, PATH: process.env['PATH'] ?? '' }
  const args = [script, 'proxy', target, '--port', String(port)]
  return started(spawn(process.execPath, args, { stdio: 'ignore', env }), port, '/healthz')
}

/** nginx as the ceiling: one worker, sendfile on, its access log on as well; with further directives of its server. */
export async function startNginx(dir: string, files: string, directives = ''): Promise<BenchServer> {
  const port = await freePort()
  mkdirSync(dir, { recursive: true })
  const conf = path.join(dir, 'nginx.conf')
  const temps = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map((name) => `${name}_temp_path ${dir}/${name};`)
  writeFileSync(
    conf,
    // A worker of root's nginx would otherwise be `nobody`, who may not look into a temporary folder.
    `${process.getuid?.() === 0 ? 'user root; ' : ''}daemon off; worker_processes 1; pid ${dir}/nginx.pid; error_log ${dir}/error.log;
worker_rlimit_nofile 8192; events { worker_connections 4096; }
http { ${temps.join(' ')} access_log ${dir}/access.log; sendfile on; tcp_nopush on; keepalive_requests 1000000;
server { listen 127.0.0.1:${port}; root ${files}; ${directives} } }`,
  )
  writeFileSync(path.join(files, 'healthz'), 'ok')
  return started(spawn('nginx', ['-c', conf, '-p', dir], { stdio: 'ignore' }), port, '/healthz')
}

/** Servers that run: they end with the bench, also when that is interrupted. */
const RUNNING = new Set<ChildProcess>()
process.on('exit', () => {
  for (const child of RUNNING) child.kill('SIGTERM')
})
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(1))

/** Wait until a server that was started answers on its port. */
export async function started(
  child: ChildProcess,
  port: number,
  probe: string,
  timeoutMs = 90_000,
): Promise<BenchServer> {
  const since = performance.now()
  const url = `http://127.0.0.1:${port}`
  RUNNING.add(child)
  child.once('exit', () => RUNNING.delete(child))
  while (!(await answers(url + probe))) {
    if (performance.now() - since > timeoutMs) throw new Error(`no answer from ${url}`)
    if (child.exitCode !== null) throw new Error(`the server ended with ${child.exitCode}`)
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
  return {
    url,
    pid: child.pid ?? 0,
    coldStartMs: performance.now() - since,
    async [Symbol.asyncDispose]() {
      if (child.exitCode !== null) return
      const exited = once(child, 'exit')
      child.kill('SIGTERM')
      await exited
    },
  }
}

async function answers(url: string): Promise<boolean> {
  try {
    return (await fetch(url)).ok
  } catch {
    return false
  }
}

/** Resident memory of a process in MB: now, and its peak since the last `resetPeak`. */
export function memory(pid: number): { readonly nowMb: number; readonly peakMb: number } {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8')
  const field = (name: string): number => Number(new RegExp(`${name}:\\s+(\\d+)`).exec(status)?.[1] ?? NaN) / 1024
  return { nowMb: field('VmRSS'), peakMb: field('VmHWM') }
}

/** Resident memory in MB of a process and all that it started. */
export function memoryOfAll(pid: number): number {
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').split(' ').filter(Boolean)
  return children.reduce((sum, child) => sum + memoryOfAll(Number(child)), memory(pid).nowMb)
}

export function resetPeak(pid: number): void {
  writeFileSync(`/proc/${pid}/clear_refs`, '5')
}
