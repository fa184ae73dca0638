import { expect, it } from 'vitest'

import { startProxyProcess } from '../helpers/proxy-process.ts'
import { rawRequest } from '../helpers/raw-http.ts'
import { runDepot } from '../helpers/run-depot.ts'
import { tempDir } from '../helpers/temp-dir.ts'
import { startUpstream } from '../helpers/upstream.ts'
import { startWorld } from '../helpers/world.ts'

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
