import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { text } from 'node:stream/consumers'
import { setTimeout } from 'node:timers/promises'

import { freePort } from './free-port.ts'
import type { Finished } from './run-depot.ts'
import type { OciImage } from './oci-image.ts'

export interface ImageProcess extends AsyncDisposable {
  readonly url: string
  /** Send the signal that the image names, and wait for the end. */
  stop(): Promise<Finished>
}

/** Run an unpacked image as an engine would: its program, its arguments unless others are given, its environment, its user, its files. */
export function runImage(
  root: string,
  { config: { config } }: OciImage,
  args: readonly string[] = config.Cmd,
  env: Readonly<Record<string, string>> = {},
): { readonly finished: Promise<Finished>; readonly kill: (signal: NodeJS.Signals) => void } {
  const child = spawn('/usr/sbin/chroot', [`--userspec=${config.User}`, root, ...config.Entrypoint, ...args], {
    env: { ...Object.fromEntries(config.Env.map((line) => line.split('=', 2) as [string, string])), ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const output = Promise.all([text(child.stdout), text(child.stderr), once(child, 'close')])
  return {
    finished: output.then(([stdout, stderr]) => ({ status: child.exitCode, stdout, stderr })),
    kill: (signal) => void child.kill(signal),
  }
}

/** The same until it serves. */
export async function serveImage(root: string, image: OciImage, ...args: readonly string[]): Promise<ImageProcess> {
  const port = await freePort()
  const url = `http://127.0.0.1:${port}`
  const running = runImage(root, image, [...image.config.config.Cmd, ...args, '--public-url', url], {
    DEPOT_LISTEN_ADDR: `:${port}`,
  })
  const ended = running.finished.then(({ stdout, stderr }) => {
    throw new Error(`the image ended:\n${stdout}${stderr}`)
  })
  await Promise.race([ended, answers(url)])
  // It may end from now on.
  ended.catch(() => {})
  return {
    url,
    async stop() {
      running.kill(image.config.config.StopSignal as NodeJS.Signals)
      return running.finished
    },
    async [Symbol.asyncDispose]() {
      running.kill('SIGKILL')
      await running.finished
    },
  }
}

async function answers(url: string): Promise<void> {
  for (let attempt = 0; attempt < 1000; attempt++) {
    const answer = await fetch(`${url}/readyz`).catch(() => undefined)
    if (answer?.ok === true) return
    await setTimeout(100)
  }
  throw new Error(`${url} does not answer`)
}
