import { spawn } from 'node:child_process'
import { once } from 'node:events'
import path from 'node:path'
import process from 'node:process'

import { cleanEnv } from './clean-env.ts'
import { tempDir } from './temp-dir.ts'

const LAUNCHER = path.join(import.meta.dirname, '..', '..', 'cmd', 'launch.js')

export interface ProxyProcess extends AsyncDisposable {
  /** What it printed before it was ready: the lines to paste. */
  readonly greeting: string
  readonly url: string
  /** Everything on stderr so far. */
  logs(): string
  /** Send a signal and wait for the end; returns the exit status, or null when the signal ended it. */
  stop(signal: NodeJS.Signals): Promise<number | null>
}

/** `depot proxy` as users start it, in a process and a HOME of its own. */
export async function startProxyProcess(
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<ProxyProcess> {
  const home = await tempDir('proxy')
  const child = spawn(process.execPath, [LAUNCHER, 'proxy', ...args], {
    env: cleanEnv(home.path, env),
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let [printed, errors] = ['', '']
  child.stderr.setEncoding('utf8').on('data', (text: string) => (errors += text))
  await new Promise<void>((resolve, reject) => {
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      printed += text
      if (printed.endsWith('\n\n') && /pip install|curl/.test(printed)) resolve()
    })
    child.once('exit', (code) => reject(new Error(`the proxy ended with ${code}: ${printed}${errors}`)))
  })
  const stop = async (signal: NodeJS.Signals): Promise<number | null> => {
    if (child.exitCode !== null || child.signalCode !== null) return child.exitCode
    // With its last words.
    const ended = once(child, 'close')
    child.kill(signal)
    await ended
    return child.exitCode
  }
  return {
    greeting: printed,
    url: /forwards (?<url>\S+)/.exec(printed)?.groups?.['url'] ?? '',
    logs: () => errors,
    stop,
    async [Symbol.asyncDispose]() {
      await stop('SIGKILL')
      await home[Symbol.asyncDispose]()
    },
  }
}
