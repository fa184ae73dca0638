import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import type { IncomingHttpHeaders } from 'node:http'
import { Agent, request } from 'node:https'
import { buffer } from 'node:stream/consumers'

import { freePort } from './free-port.ts'
import { have } from './have.ts'
import { nginxExample, type StartFront } from './proxy-examples.ts'
import { runDepot } from './run-depot.ts'
import { startServerProcess, type ServerProcess } from './server-process.ts'
import { tempDir } from './temp-dir.ts'

/** Two servers of one depot behind a proxy, as an example in deploy/ has them. */
export interface TwoServers extends AsyncDisposable {
  /** `https://127.0.0.1:<port>`, of the proxy. */
  readonly url: string
  /** File of the certificate that clients are to trust. */
  readonly certificate: string
  /** Folder that both use. */
  readonly dataDir: string
  readonly publicKey: string
  /** Where each answers by itself: `http://127.0.0.1:<port>`. */
  readonly addresses: readonly [string, string]
  server(index: 0 | 1): ServerProcess
  /** End a server, and start it again on its port. */
  restart(index: 0 | 1, signal: 'SIGTERM' | 'SIGKILL'): Promise<void>
  /** Ask the proxy, over connections that are kept. */
  ask(method: string, path: string, body?: Uint8Array): Promise<Answer>
}

/** What came whole; an answer that is cut is an error. */
export interface Answer {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly body: Buffer
}

/**
 * @param databaseUrl of an empty PostgreSQL database
 * @param startFront starts the proxy
 * @param env further variables of both
 */
export async function startTwoServers(
  databaseUrl: string,
  startFront: StartFront = nginxExample,
  env: Readonly<Record<string, string>> = {},
): Promise<TwoServers> {
  await using opening = new AsyncDisposableStack()
  const home = opening.use(await tempDir('two'))
  const port = await freePort()
  const [certificate, key, dataDir] = [home.join('depot.crt'), home.join('depot.key'), home.join('data')]
  certify(certificate, key)
  const ports = [await freePort(), await freePort()] as const
  const settings = ['--database-url', databaseUrl, '--store-path', dataDir]
  await runDepot(['serve', '--mode', 'db-migrations', ...settings], env)
  const url = `https://127.0.0.1:${port}`
  const start = (own: number): Promise<ServerProcess> =>
    startServerProcess({
      env,
      dataDir,
      port: own,
      args: [
        '--mode=api-server',
        `--database-url=${databaseUrl}`,
        '--drain-delay=6',
        `--public-url=${url}`,
        '--trusted-proxy=127.0.0.1',
      ],
    })
  const servers = await Promise.all(ports.map(start))
  opening.defer(async () => {
    for (const server of servers) await server[Symbol.asyncDispose]()
  })
  opening.use(await startFront({ certificate, key, port, ports }))
  const agent = new Agent({ keepAlive: true, maxSockets: 8, ca: readFileSync(certificate) })
  opening.defer(() => agent.destroy())
  const server = (index: 0 | 1): ServerProcess => {
    const found = servers[index]
    if (found === undefined) throw new Error('there are two')
    return found
  }
  const publicKey = /depot-[0-9a-f]{8}-1:[A-Za-z0-9+/]{43}=/.exec(server(0).greeting)?.[0] ?? ''
  const opened = opening.move()
  return {
    url,
    certificate,
    dataDir,
    publicKey,
    addresses: [`http://127.0.0.1:${ports[0]}`, `http://127.0.0.1:${ports[1]}`],
    server,
    async restart(index, signal) {
      await server(index).stop(signal)
      await server(index)[Symbol.asyncDispose]()
      servers[index] = await start(ports[index])
    },
    ask: (method, at, body) =>
      new Promise((resolve, reject) => {
        const length = body === undefined ? {} : { 'content-length': String(body.byteLength) }
        const outgoing = request(url + at, { agent, method, headers: length }, (answer) => {
          const { statusCode: status = 0, headers } = answer
          buffer(answer).then((bytes) => resolve({ status, headers, body: bytes }), reject)
        })
        outgoing.once('error', reject)
        outgoing.end(body)
      }),
    [Symbol.asyncDispose]: () => opened.disposeAsync(),
  }
}

/** A certificate of loopback that is its own authority. */
function certify(file: string, key: string): void {
  const kind = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2']
  const name = ['-subj', '/CN=depot', '-addext', 'subjectAltName=IP:127.0.0.1']
  execFileSync(have.paths.openssl, ['req', '-x509', ...kind, ...name, '-keyout', key, '-out', file], {
    stdio: 'ignore',
  })
}
