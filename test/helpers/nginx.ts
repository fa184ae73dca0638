import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { writeFile } from 'node:fs/promises'
import { connect } from 'node:net'

import { freePort } from './free-port.ts'
import { have } from './have.ts'
import { tempDir } from './temp-dir.ts'

export interface Nginx extends AsyncDisposable {
  /** `http://127.0.0.1:<port>` */
  readonly url: string
  /** Begin to answer. @throws Error with what nginx said when it does not start */
  start(locations: string): Promise<void>
  /** The same with what stands in a file of `conf.d`: upstreams and servers, one of which listens on the port. */
  startWith(servers: string): Promise<void>
}

/** An nginx on a port of loopback, whose locations are given when the servers behind it are known. */
export async function reserveNginx(port?: number): Promise<Nginx> {
  return nginxOn(port ?? (await freePort()))
}

async function nginxOn(port: number): Promise<Nginx> {
  const dir = await tempDir('nginx')
  const url = `http://127.0.0.1:${port}`
  let end = async (): Promise<void> => {}
  const startWith: Nginx['startWith'] = async (servers) => {
    await writeFile(dir.join('nginx.conf'), configuration(dir.path, servers))
    const child = spawn(have.paths.nginx, ['-c', dir.join('nginx.conf'), '-p', dir.path], {
      stdio: ['ignore', 'ignore', 'pipe'],
    })
    const exited = once(child, 'exit')
    let said = ''
    child.stderr.setEncoding('utf8').on('data', (text: string) => (said += text))
    end = async () => {
      child.kill('SIGTERM')
      await exited
    }
    while (!(await listens(port))) {
      if (child.exitCode !== null) throw new Error(`nginx ended with ${child.exitCode}: ${said}`)
      await new Promise((resolve) => setTimeout(resolve, 10))
    }
  }
  return {
    url,
    start: (locations) => startWith(`server { listen 127.0.0.1:${port}; ${locations} }`),
    startWith,
    async [Symbol.asyncDispose]() {
      await end()
      await dir[Symbol.asyncDispose]()
    },
  }
}

/** One worker that stays in front; a worker of root's nginx would otherwise be `nobody`, who may not write into a temporary folder. */
function configuration(dir: string, servers: string): string {
  const temps = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map((name) => `${name}_temp_path ${dir}/${name};`)
  return `${process.getuid?.() === 0 ? 'user root; ' : ''}daemon off; worker_processes 1; pid ${dir}/nginx.pid; error_log ${dir}/error.log;
events { worker_connections 256; }
http { ${temps.join(' ')} access_log off; client_max_body_size 0;
${servers} }`
}

/** Whether somebody takes connections on a port of loopback. */
export function listens(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1')
    socket.once('error', () => resolve(false))
    socket.once('connect', () => {
      socket.destroy()
      resolve(true)
    })
  })
}
