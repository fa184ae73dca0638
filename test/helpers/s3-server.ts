import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, readFile } from 'node:fs/promises'
import path from 'node:path'
import process from 'node:process'

import { freePort } from './free-port.ts'

export interface S3Server extends AsyncDisposable {
  /** With its key and secret, as `createBucket` takes it. */
  readonly url: string
}

/** An S3 server of a test's own, with all that it keeps below `folder`; by the program that the shared one (part `s3`) is started with. */
export async function startS3Server(folder: string): Promise<S3Server> {
  await Promise.all(['data', 'sidecar'].map((name) => mkdir(path.join(folder, name), { recursive: true })))
  const port = await freePort()
  const env = { ROOT_ACCESS_KEY: 'small', ROOT_SECRET_KEY: 'small-secret', PATH: process.env['PATH'] }
  const places = ['posix', '--sidecar', path.join(folder, 'sidecar'), path.join(folder, 'data')]
  const args = ['--quiet', '--health', '/health', '--port', `127.0.0.1:${port}`, ...places]
  const child = spawn(await program(), args, { env, stdio: 'ignore' })
  const ended = once(child, 'exit')
  // That it is not there shows in that nobody answers.
  ended.catch(() => {})
  const origin = `http://127.0.0.1:${port}`
  const isUp = async (): Promise<boolean> => (await fetch(`${origin}/health`).catch(() => undefined))?.ok === true
  for (let tries = 0; tries < 2000 && child.exitCode === null && !(await isUp()); tries++)
    await new Promise((resolve) => setTimeout(resolve, 50))
  if (!(await isUp())) {
    child.kill()
    throw new Error(`no S3 server answers at ${origin} (test/tools.sh s3)`)
  }
  return {
    url: `http://small:small-secret@127.0.0.1:${port}`,
    async [Symbol.asyncDispose]() {
      child.kill()
      await ended
    },
  }
}

/** Where `test/tools.sh` installs it. */
async function program(): Promise<string> {
  const versions = await readFile(new URL('../tools.env', import.meta.url), 'utf8')
  const version = /^VERSITYGW=(\S+)$/m.exec(versions)?.[1] ?? ''
  const tools = process.env['DEPOT_TEST_TOOLS'] ?? path.join(process.env['HOME'] ?? '', '.cache/depot-tools')
  return path.join(tools, `versitygw-${version}`, 'versitygw')
}
