import { spawn } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import process from 'node:process'

import { freePort } from '../helpers/free-port.ts'
import { tool } from '../helpers/tools.ts'
import { output } from './load.ts'
import { started, type BenchServer } from './servers.ts'

/** A server that the developer started, and the process whose memory is looked at. */
export interface OwnPeer {
  readonly url: string
  readonly pid?: number
}

/**
 * BENCH_PEER_URL, and BENCH_PEER_PID, for the section that BENCH_PEER_FOR names, `nix-clients` unless it does. What is measured there is sent
 * to it first as to any server that asks nobody for credentials: `npm publish` for `npm`; for `python`, `uv publish` to BENCH_PEER_UPLOAD_URL.
 */
export function ownPeer(section: 'nix-clients' | 'npm' | 'python'): OwnPeer | undefined {
  const { BENCH_PEER_URL: url, BENCH_PEER_PID: pid, BENCH_PEER_FOR: wanted = 'nix-clients' } = process.env
  if (url === undefined || wanted !== section) return undefined
  return { url: url.replace(/\/$/, ''), ...(pid === undefined ? {} : { pid: Number(pid) }) }
}

/** Verdaccio on a storage folder, as its users run it: files, its log in a file, limits that a bench would meet lifted. */
export async function startVerdaccio(dir: string, storage: string): Promise<BenchServer> {
  const port = await freePort()
  mkdirSync(dir, { recursive: true })
  const config = path.join(dir, 'config.yaml')
  const rule = 'access: $all\n    publish: $all\n    unpublish: $all'
  writeFileSync(
    config,
    `storage: ${storage}
auth:
  htpasswd:
    file: ${dir}/htpasswd
packages:
  '**':
    ${rule}
max_body_size: 100mb
userRateLimit:
  windowMs: 60000
  max: 1000000
log: { type: file, path: ${dir}/verdaccio.log, format: json, level: http }
`,
  )
  const script = tool('verdaccio', 'VERDACCIO', 'node_modules/verdaccio/bin/verdaccio')
  const args = [script, '--config', config, '--listen', `127.0.0.1:${port}`]
  return started(spawn(process.execPath, args, { stdio: 'ignore' }), port, '/-/ping')
}

/** devpi with indexes of one user, which take uploads from anyone who knows its password. */
export interface Devpi extends BenchServer {
  /** Make an index that has nothing; returns its URL. */
  index(name: string): Promise<string>
}

export async function startDevpi(dir: string): Promise<Devpi> {
  const port = await freePort()
  const bin = (name: string): string => tool('devpi-server', 'DEVPI', `bin/${name}`)
  const server = path.join(dir, 'server')
  await output(bin('devpi-init'), ['--serverdir', server, '--no-root-pypi', '--root-passwd', 'secret'])
  const running = await started(
    spawn(bin('devpi-server'), ['--serverdir', server, '--host', '127.0.0.1', '--port', String(port)], {
      stdio: 'ignore',
    }),
    port,
    '/+api',
  )
  const login = await call(`${running.url}/+login`, 'POST', { user: 'root', password: 'secret' })
  const token = Buffer.from(`root:${(login as { result: { password: string } }).result.password}`).toString('base64')
  const headers = { 'X-Devpi-Auth': token }
  return {
    ...running,
    async index(name) {
      const url = `${running.url}/root/${name}`
      await call(url, 'PUT', { bases: [], volatile: false, type: 'stage' }, headers)
      return url
    },
  }
}

async function call(url: string, method: string, body: object, headers: Record<string, string> = {}): Promise<unknown> {
  const answer = await fetch(url, {
    method,
    body: JSON.stringify(body),
    headers: { 'content-type': 'application/json', accept: 'application/json', ...headers },
  })
  if (!answer.ok) throw new Error(`${method} ${url}: ${answer.status} ${await answer.text()}`)
  return answer.json()
}

/** pypiserver on a folder of files, writable without a password. */
export async function startPypiserver(folder: string): Promise<BenchServer> {
  const port = await freePort()
  const args = ['run', '-p', String(port), '-i', '127.0.0.1', '-P', '.', '-a', '.', '--disable-fallback', folder]
  return started(spawn(tool('pypiserver', 'PYPISERVER', 'bin/pypi-server'), args, { stdio: 'ignore' }), port, '/health')
}
