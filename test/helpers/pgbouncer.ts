import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { writeFile } from 'node:fs/promises'
import process from 'node:process'

import { freePort } from './free-port.ts'
import { have } from './have.ts'
import { listens } from './nginx.ts'
import { tempDir } from './temp-dir.ts'

export interface Pgbouncer extends AsyncDisposable {
  /** The same URL as that of the database, through the pooler. */
  readonly url: string
}

/**
 * A pgbouncer before the database of a URL, which lets everybody in as that URL's user.
 *
 * @param settings lines of its section `[pgbouncer]`
 * @throws Error with what it said when it does not start
 */
export async function startPgbouncer(
  databaseUrl: string,
  settings: Readonly<Record<string, string>>,
): Promise<Pgbouncer> {
  await using opening = new AsyncDisposableStack()
  const dir = opening.use(await tempDir('pgbouncer'))
  const port = await freePort()
  const { hostname, port: target, username } = new URL(databaseUrl)
  const all = {
    listen_addr: '127.0.0.1',
    listen_port: String(port),
    unix_socket_dir: '',
    auth_type: 'any',
    ...settings,
  }
  const lines = Object.entries(all).map(([name, value]) => `${name} = ${value}`)
  const file = dir.join('pgbouncer.ini')
  const database = `* = host=${hostname} port=${target} user=${username}`
  await writeFile(file, ['[databases]', database, '[pgbouncer]', ...lines, ''].join('\n'))
  // It does not run as root.
  const user = process.getuid?.() === 0 ? ['-u', 'postgres'] : []
  const child = spawn(have.paths.pgbouncer, [...user, file], { stdio: ['ignore', 'ignore', 'pipe'] })
  const exited = once(child, 'exit')
  let said = ''
  child.stderr.setEncoding('utf8').on('data', (text: string) => (said += text))
  opening.defer(async () => {
    child.kill('SIGKILL')
    await exited
  })
  while (!(await listens(port))) {
    if (child.exitCode !== null) throw new Error(`pgbouncer ended with ${child.exitCode}: ${said}`)
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
  const url = new URL(databaseUrl)
  url.port = String(port)
  const opened = opening.move()
  return { url: url.href, [Symbol.asyncDispose]: () => opened.disposeAsync() }
}
