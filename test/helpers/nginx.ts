import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { writeFile } from 'node:fs/promises'
import { createServer, type AddressInfo } from 'node:net'
import process from 'node:process'

import { have } from './have.ts'
import { tempDir } from './temp-dir.ts'

export interface Nginx extends AsyncDisposable {
  readonly url: string
}

/** A real nginx with one server block; `locations` stands in it. It ends when disposed. */
export async function startNginx(port: number, locations: string): Promise<Nginx> {
  const dir = await tempDir('nginx')
  const temps = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(
    (name) => `${name}_temp_path ${dir.path}/${name};`,
  )
  // A worker of root's nginx would otherwise be `nobody`, who may not look into a temporary folder.
  const user = process.getuid?.() === 0 ? 'user root; ' : ''
  const config = `${user}daemon off; worker_processes 1; pid ${dir.join('pid')}; error_log ${dir.join('error.log')};
events { worker_connections 256; }
http { ${temps.join(' ')} access_log off; client_max_body_size 0;
server { listen 127.0.0.1:${port}; ${locations} } }`
  await writeFile(dir.join('nginx.conf'), config)
  const child = spawn(have.paths.nginx, ['-c', dir.join('nginx.conf'), '-p', dir.path], { stdio: 'ignore' })
  const exited = once(child, 'exit')
  const url = `http://127.0.0.1:${port}`
  while (child.exitCode === null && !(await answers(url))) await new Promise((resolve) => setTimeout(resolve, 20))
  return {
    url,
    async [Symbol.asyncDispose]() {
      child.kill('SIGTERM')
      await exited
      await dir[Symbol.asyncDispose]()
    },
  }
}

/** A port that is free at this moment. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return port
}

async function answers(url: string): Promise<boolean> {
  return fetch(url).then(
    () => true,
    () => false,
  )
}
