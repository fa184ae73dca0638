import { spawn } from 'node:child_process'
import { once } from 'node:events'
import path from 'node:path'
import process from 'node:process'

import { expect, it } from 'vitest'

import { cleanEnv } from '../helpers/clean-env.ts'
import { rawRequest } from '../helpers/raw-http.ts'
import { runDepot } from '../helpers/run-depot.ts'
import { tempDir } from '../helpers/temp-dir.ts'
import { startUpstream } from '../helpers/upstream.ts'
import { startWorld } from '../helpers/world.ts'

const LAUNCHER = path.join(import.meta.dirname, '..', '..', 'cmd', 'launch.js')

interface ProxyProcess extends AsyncDisposable {
  readonly greeting: string
  readonly url: string
  /** Send a signal and wait for the end. */
  stop(signal: NodeJS.Signals): Promise<number | null>
}

async function startProxyProcess(
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
    const ended = once(child, 'exit')
    child.kill(signal)
    await ended
    return child.exitCode
  }
  return {
    greeting: printed,
    url: /forwards (?<url>\S+)/.exec(printed)?.groups?.['url'] ?? '',
    stop,
    async [Symbol.asyncDispose]() {
      await stop('SIGKILL')
      await home[Symbol.asyncDispose]()
    },
  }
}

it('says what to paste, forwards, and ends when it is told to', async () => {
  await using world = await startWorld()
  await using proxy = await startProxyProcess([world.url, '--port', '0'])
  expect(proxy.greeting).toContain(`${proxy.url} to ${world.url} as anonymous`)
  expect(proxy.greeting).toContain(
    `nix copy --from '${proxy.url}/nix' --option trusted-public-keys '${world.publicKey}'`,
  )
  expect(proxy.greeting).toContain(`npm install --registry ${proxy.url}/npm/`)
  expect(await (await fetch(`${proxy.url}/nix/nix-cache-info`)).text()).toContain('StoreDir')
  expect(await proxy.stop('SIGTERM')).toBe(0)
})

it('lets a running request finish after the first signal', async () => {
  const { promise: next, resolve: go } = Promise.withResolvers<void>()
  await using upstream = await startUpstream((incoming, outgoing) => {
    if (incoming.url !== '/slow') return void outgoing.writeHead(404).end()
    outgoing.write('first ')
    void next.then(() => outgoing.end('second'))
  })
  const env = { DEPOT_AUTH_TOKEN: 'dpt_canary' }
  await using proxy = await startProxyProcess([`${upstream.url}`, '--port', '0'], env)
  expect(proxy.greeting).not.toContain('canary')
  const response = await fetch(`${proxy.url}/slow`)
  const ended = proxy.stop('SIGINT')
  await expect.poll(() => rawRequest(proxy.url, { path: '/' }).catch(String)).toMatch(/ECONNREFUSED/)
  go()
  expect(await response.text()).toBe('first second')
  expect(await ended).toBe(0)
  expect(upstream.requests.at(-1)?.headers.authorization).toBe('Bearer dpt_canary')
})

it('listens on a unix socket', async () => {
  await using world = await startWorld()
  await using dir = await tempDir('socket')
  await using proxy = await startProxyProcess([world.url, '--listen', `unix:${dir.join('depot.sock')}`])
  expect(proxy.greeting).toContain(`curl --unix-socket '${dir.join('depot.sock')}'`)
})

it.each([
  { args: ['http://127.0.0.1:1', '--listen', '0.0.0.0:43407'], told: /never listens beyond this machine/ },
  { args: ['http://127.0.0.1:1', '--port', '70000'], told: /from 0 to 65535/ },
  { args: ['http://127.0.0.1:1', '--port', '1', '--listen', 'unix:/x'], told: /give one/ },
  { args: ['ftp://127.0.0.1'], told: /begins with http/ },
  { args: [], told: /which depot/ },
])('refuses $args', async ({ args, told }) => {
  expect(await runDepot(['proxy', ...args])).toMatchObject({ status: 2, stderr: expect.stringMatching(told) as string })
})

it('says when its port is taken, and when the depot cannot be reached', async () => {
  await using world = await startWorld()
  const { port } = new URL(world.url)
  expect(await runDepot(['proxy', world.url, '--port', port])).toMatchObject({
    status: 1,
    stderr: expect.stringMatching(/port \d+ is taken/) as string,
  })
  expect((await runDepot(['proxy', 'http://127.0.0.1:1', '--port', '0'])).status).toBe(1)
})
