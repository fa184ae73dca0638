import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, writeFileSync } from 'node:fs'
import { get, type IncomingMessage } from 'node:http'
import path from 'node:path'
import process from 'node:process'

import { freePort } from '../helpers/free-port.ts'
import type { BareAnswer } from './bare-server.ts'
import type { Load } from './load.ts'
import { type BenchServer, started, startNginx } from './servers.ts'

/** One GET of the depot that is measured. */
export interface Asked {
  readonly url: string
  readonly headers?: Readonly<Record<string, string>>
}

/** Servers that know nothing of what they serve. */
export interface Ceilings extends AsyncDisposable {
  readonly nginx: BenchServer
  readonly bare: BenchServer
  /** The same load for each of them, by their names in the tables; `index` is the request's place among those that were asked. */
  loads(index: number, load: Omit<Load, 'url'>): Readonly<Record<string, Load>>
}

/** Ask each once, and start nginx and a bare Node server that answer the same bytes at `/0`, `/1` and so on. */
export async function startCeilings(dir: string, asked: readonly Asked[]): Promise<Ceilings> {
  const files = path.join(dir, 'files')
  mkdirSync(files, { recursive: true })
  const answers: BareAnswer[] = []
  for (const [index, request] of asked.entries()) {
    const { body, ...answer } = await answerTo(request)
    answers.push(answer)
    writeFileSync(path.join(files, String(index)), body)
  }
  writeFileSync(path.join(files, 'answers.json'), JSON.stringify(answers))
  const nginx = await startNginx(path.join(dir, 'nginx'), files)
  const bare = await startBare(files)
  return {
    nginx,
    bare,
    loads: (index, load) => ({
      nginx: { ...load, url: `${nginx.url}/${index}` },
      'bare Node': { ...load, url: `${bare.url}/${index}` },
    }),
    async [Symbol.asyncDispose]() {
      await bare[Symbol.asyncDispose]()
      await nginx[Symbol.asyncDispose]()
    },
  }
}

async function startBare(files: string): Promise<BenchServer> {
  const port = await freePort()
  const script = path.join(import.meta.dirname, 'bare-server.ts')
  return started(spawn(process.execPath, [script, files, String(port)], { stdio: 'ignore' }), port, '/healthz')
}

const KEPT = ['content-type', 'content-encoding', 'cache-control', 'vary']

/** The bytes as they are sent: `fetch` would decode them. */
async function answerTo({ url, headers: sent = {} }: Asked): Promise<BareAnswer & { readonly body: Buffer }> {
  // What a client has already is for the load alone.
  const { 'if-none-match': _, ...headers } = sent
  const [answer] = (await once(get(url, { headers }), 'response')) as [IncomingMessage]
  const body = Buffer.concat(await Array.fromAsync(answer as AsyncIterable<Buffer>))
  if (answer.statusCode !== 200) throw new Error(`GET ${url}: ${answer.statusCode}`)
  const kept = KEPT.flatMap((name) =>
    answer.headers[name] === undefined ? [] : [[name, String(answer.headers[name])]],
  )
  return { body, headers: Object.fromEntries(kept) as Record<string, string>, etag: answer.headers.etag ?? '"none"' }
}
