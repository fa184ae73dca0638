import { readFile } from 'node:fs/promises'
import { Agent, request, type IncomingHttpHeaders } from 'node:http'
import { text } from 'node:stream/consumers'
import { setTimeout as sleep } from 'node:timers/promises'

import { publishOf, tarballOf } from './npm-fixtures.ts'
import { startServerProcess, type ServerProcess, type ServerProcessOptions } from './server-process.ts'

/** A server of several processes. */
export interface WorkerServer extends ServerProcess {
  /** Process numbers of those that serve, at this moment. */
  workerPids(): Promise<readonly number[]>
  /** A connection to the worker with this number; the next one of it is another connection. */
  connectTo(worker: number): Promise<Talk>
  /** Entries of the log. */
  entries(): readonly LogEntry[]
}

export interface LogEntry {
  readonly msg: string
  readonly path?: string
  readonly worker?: number
  readonly ended?: number
  readonly how?: string
  readonly pid?: number
  readonly level?: number
}

export interface Answered {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly text: string
}

/** One connection that is kept alive, or one after another when the server ends it. */
export interface Talk extends Disposable {
  ask(method: string, path: string, options?: AskOptions): Promise<Answered>
}

export interface AskOptions {
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string | Uint8Array
}

/** `depot serve --workers 2`, unless told otherwise. */
export async function startWorkerServer(options: ServerProcessOptions = {}, workers = 2): Promise<WorkerServer> {
  const args = ['--workers', String(workers), ...(options.args ?? [])]
  const server = await startServerProcess({ ...options, args })
  const entries = (): LogEntry[] =>
    server
      .logs()
      .split('\n')
      .filter((line) => line.startsWith('{') && line.endsWith('}'))
      .map((line) => JSON.parse(line) as LogEntry)
  let count = 0
  return {
    ...server,
    workerPids: () => childrenOf(server.pid),
    entries,
    async connectTo(worker) {
      for (;;) {
        const talk = talkTo(server.url)
        const path = `/-/who-${++count}`
        await talk.ask('GET', path)
        if ((await answeredBy(entries, path)) === worker) return talk
        talk[Symbol.dispose]()
      }
    },
  }
}

async function answeredBy(entries: () => readonly LogEntry[], path: string): Promise<number | undefined> {
  for (;;) {
    const entry = entries().find((line) => line.path === path)
    if (entry !== undefined) return entry.worker
    await sleep(10)
  }
}

/**
 * Linux tells a process's children. Only those that run their own program: until then the parent waits for them (libuv
 * reads a pipe that exec closes), so that a signal that stops one would stop both. The dead have none any more.
 */
export async function childrenOf(pid: number): Promise<readonly number[]> {
  const pids = await procFile(pid, `task/${pid}/children`)
  const parent = await procFile(pid, 'cmdline')
  const children = await Promise.all(
    pids
      .split(' ')
      .filter(Boolean)
      .map(async (child) => ({ pid: Number(child), program: await procFile(Number(child), 'cmdline') })),
  )
  return children.filter(({ program }) => program !== '' && program !== parent).map((child) => child.pid)
}

/** Nothing, of a process that has gone. */
function procFile(pid: number, name: string): Promise<string> {
  return readFile(`/proc/${pid}/${name}`, 'utf8').catch(() => '')
}

/** Whether a process is there that is more than a name of the dead. */
export async function lives(pid: number): Promise<boolean> {
  const status = await procFile(pid, 'stat')
  return status !== '' && !/\) [ZX] /.test(status)
}

/** A client with one connection at a time, which it keeps alive. */
export function talkTo(base: string): Talk {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 })
  return {
    ask: (method, path, { headers = {}, body = '' } = {}) =>
      new Promise((resolve, reject) => {
        const length = body === '' && method === 'GET' ? {} : { 'content-length': String(Buffer.byteLength(body)) }
        const outgoing = request(base + path, { agent, method, headers: { ...length, ...headers } }, (answer) => {
          text(answer).then(
            (whole) => resolve({ status: answer.statusCode ?? 0, headers: answer.headers, text: whole }),
            reject,
          )
        })
        outgoing.once('error', reject)
        outgoing.end(body)
      }),
    [Symbol.dispose]: () => agent.destroy(),
  }
}

/** So many connections to one worker. */
export async function connections(server: WorkerServer, worker: number, count: number): Promise<Talk[]> {
  const talks: Talk[] = []
  while (talks.length < count) talks.push(await server.connectTo(worker))
  return talks
}

/** Publish a small npm package. */
export async function publish(
  talk: Talk,
  name: string,
  version: string,
  more: Uint8Array = Buffer.alloc(0),
): Promise<Answered> {
  const packageJson = { name, version }
  const tarball = await tarballOf(packageJson, [{ name: 'package/more', content: Buffer.from(more) }])
  const headers = { 'content-type': 'application/json' }
  return talk.ask('PUT', `/npm/${name}`, { headers, body: JSON.stringify(publishOf(packageJson, tarball)) })
}
