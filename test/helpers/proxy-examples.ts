import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'

import { cleanEnv } from './clean-env.ts'
import { have } from './have.ts'
import { listens, reserveNginx } from './nginx.ts'
import { tempDir } from './temp-dir.ts'

/** What an example in deploy/ leaves to whoever uses it. */
export interface FrontOptions {
  /** Files. */
  readonly certificate: string
  readonly key: string
  /** Where the proxy listens, on loopback. */
  readonly port: number
  /** Where the servers do. */
  readonly ports: readonly [number, number]
}

/** Starts a proxy; disposing ends it. */
export type StartFront = (options: FrontOptions) => Promise<AsyncDisposable>

/** nginx as deploy/nginx.conf has it. */
export const nginxExample: StartFront = async ({ certificate, key, port, ports }) => {
  const nginx = await reserveNginx(port)
  const servers = example('nginx.conf', [
    ['listen 443 ssl;', `listen 127.0.0.1:${port} ssl;`],
    ['/etc/nginx/depot.crt', certificate],
    ['/etc/nginx/depot.key', key],
    ['127.0.0.1:8081', `127.0.0.1:${ports[0]}`],
    ['127.0.0.1:8082', `127.0.0.1:${ports[1]}`],
  ])
  await nginx.startWith(servers)
  return nginx
}

/** Caddy as deploy/Caddyfile has it. It would fetch a certificate from elsewhere, and wants other ports for that. */
export const caddyExample: StartFront = async ({ certificate, key, port, ports }) => {
  const dir = await tempDir('caddy')
  const site = example('Caddyfile', [
    ['depot.example.org {', `https://127.0.0.1:${port} {\n\ttls ${certificate} ${key}`],
    ['127.0.0.1:8081', `127.0.0.1:${ports[0]}`],
    ['127.0.0.1:8082', `127.0.0.1:${ports[1]}`],
    ['Host depot.example.org', `Host 127.0.0.1:${port}`],
  ])
  const file = dir.join('Caddyfile')
  await writeFile(file, `{\n\tadmin off\n\tauto_https disable_redirects\n}\n${site}`)
  const args = ['run', '--config', file, '--adapter', 'caddyfile']
  const child = spawn(have.paths.caddy, args, { env: cleanEnv(dir.path), stdio: ['ignore', 'ignore', 'pipe'] })
  const exited = once(child, 'exit')
  let said = ''
  child.stderr.setEncoding('utf8').on('data', (text: string) => (said += text))
  while (!(await listens(port))) {
    if (child.exitCode !== null) throw new Error(`caddy ended with ${child.exitCode}: ${said}`)
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
  return {
    async [Symbol.asyncDispose]() {
      child.kill('SIGTERM')
      await exited
      await dir[Symbol.asyncDispose]()
    },
  }
}

/** An example as it stands, but for its ports, names and files. */
function example(name: string, replaced: readonly (readonly [string, string])[]): string {
  const text = readFileSync(new URL(`../../deploy/${name}`, import.meta.url), 'utf8')
  return replaced.reduce((conf, [from, to]) => {
    if (!conf.includes(from)) throw new Error(`deploy/${name} has no ${from}`)
    return conf.replace(from, to)
  }, text)
}
