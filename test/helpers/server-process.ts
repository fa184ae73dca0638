import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import path from 'node:path'
import process from 'node:process'

import { cleanEnv } from './clean-env.ts'
import { tempDir } from './temp-dir.ts'

const LAUNCHER = path.join(import.meta.dirname, '..', '..', 'cmd', 'launch.js')

export interface ServerProcess extends AsyncDisposable {
  readonly url: string
  readonly pid: number
  readonly dataDir: string
  /** What the server printed on stdout before it was ready: the lines to paste. */
  readonly greeting: string
  /** Everything on stderr so far. */
  logs(): string
  /**
   * Send a signal and wait for the end, with all that was logged before it; returns the exit status, or null when the signal ended it. Workers
   * outlive a parent that is killed, and are not waited for.
   */
  stop(signal?: NodeJS.Signals): Promise<number | null>
}

export interface ServerProcessOptions {
  readonly args?: readonly string[]
  readonly env?: Readonly<Record<string, string>>
  /** Kept afterwards when given; otherwise a temporary one. */
  readonly dataDir?: string
  readonly port?: number
  /** The program, when it is not this checkout's. */
  readonly launcher?: string
}

/** `depot serve` as users start it, in a process of its own with a clean environment. */
export async function startServerProcess(options: ServerProcessOptions = {}): Promise<ServerProcess> {
  const home = await tempDir('server')
  const dataDir = options.dataDir ?? home.join('data')
  const args = [
    'serve',
    '--listen-addr',
    `127.0.0.1:${options.port ?? 0}`,
    '--store-path',
    dataDir,
    ...(options.args ?? []),
  ]
  const child = spawn(process.execPath, [options.launcher ?? LAUNCHER, ...args], {
    env: cleanEnv(home.path, options.env),
    cwd: home.path,
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let logs = ''
  child.stderr.setEncoding('utf8').on('data', (text: string) => (logs += text))
  const greeting = await readGreeting(child, () => logs).catch(async (error: unknown) => {
    await end(child, 'SIGKILL')
    await home[Symbol.asyncDispose]()
    throw error
  })
  return {
    url: /http:\/\/[^\s]+/.exec(greeting)?.[0] ?? '',
    pid: child.pid ?? 0,
    dataDir,
    greeting,
    logs: () => logs,
    stop: (signal = 'SIGTERM') => end(child, signal),
    async [Symbol.asyncDispose]() {
      await end(child, 'SIGKILL')
      await home[Symbol.asyncDispose]()
    },
  }
}

function readGreeting(child: ChildProcess, logs: () => string): Promise<string> {
  return new Promise((resolve, reject) => {
    let text = ''
    child.stdout?.setEncoding('utf8').on('data', (piece: string) => {
      text += piece
      // The last line, without and with an auth file. What was said on stderr before is read by then, too.
      if (/pip install|token create/.test(text)) setImmediate(() => resolve(text))
    })
    child.once('error', reject)
    // Behind its end there may still be words on their way.
    child.once('close', (code) => reject(new Error(`the server ended with ${code}:\n${text}${logs()}`)))
  })
}

async function end(child: ChildProcess, signal: NodeJS.Signals): Promise<number | null> {
  if (child.exitCode !== null || child.signalCode !== null) return child.exitCode
  const ended = once(child, signal === 'SIGKILL' ? 'exit' : 'close')
  child.kill(signal)
  await ended
  return child.exitCode
}
