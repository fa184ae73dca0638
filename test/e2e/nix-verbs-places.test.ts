import { mkdir, writeFile } from 'node:fs/promises'
import path from 'node:path'

import { afterAll, beforeAll, expect, it } from 'vitest'

import { startFront } from '../helpers/front.ts'
import { startGuardedWorld } from '../helpers/guarded-world.ts'
import { describeWith } from '../helpers/have.ts'
import { reserveNginx } from '../helpers/nginx.ts'
import { closureExpression, nixClientOf, type NixClient } from '../helpers/nix-client.ts'
import { startUpstream } from '../helpers/upstream.ts'
import { startWorld } from '../helpers/world.ts'

const LIMIT_MS = 120_000

for (const part of ['nix', 'nixNew'] as const) {
  describeWith([part, 'nginx'], `e2e/nix-verbs-places: ${part} behind nginx`, () => behindNginx(part))
  describeWith(part, `e2e/nix-verbs-places: ${part}`, () => suite(part))
}

function behindNginx(part: 'nix' | 'nixNew'): void {
  it.each(['/team/depot', '/c++/a~b'])(
    'copies, builds and shows logs below the path %s',
    async (prefix) => {
      await using nginx = await reserveNginx()
      await using world = await startWorld({ settings: { 'public-url': nginx.url + prefix } })
      const location = `location ${prefix}/ { proxy_pass ${world.url}/; proxy_request_buffering off; }`
      await nginx.start(location)
      const cache = `${nginx.url}${prefix}/nix`
      await using pusher = await nixClientOf(part)
      const expression = talking('lib++-1.0_a=b')
      const [built = ''] = await pusher.build(expression)
      const drv = (await pusher.run('path-info', '--derivation', built)).trim()
      await pusher.push(`${cache}?compression=zstd&write-nar-listing=1`, built)
      await pusher.push(`${cache}?compression=xz`, '--derivation', drv)
      await pusher.run('store copy-log', '--to', cache, drv)
      await using nix = await nixClientOf(part, world.publicKey)
      expect(await nix.build(expression, '--option', 'substituters', cache, '--max-jobs', '0')).toEqual([built])
      expect(await nix.run('log', '--store', cache, drv)).toContain('talking')
      expect(await nix.run('store ls', '--store', cache, '-R', built)).toContain('./c++')
      expect(world.bugs).toEqual([])
    },
    LIMIT_MS,
  )
}

function suite(part: 'nix' | 'nixNew'): void {
  let pusher: NixClient
  let top: string
  beforeAll(async () => {
    pusher = await nixClientOf(part)
    ;[top = ''] = await pusher.build(closureExpression(3, 'places'))
  }, LIMIT_MS)
  afterAll(() => pusher[Symbol.asyncDispose]())

  it(
    'shows a token to the depot alone when a narinfo or an archive lies behind a redirect',
    async () => {
      await using world = await startGuardedWorld({ reads: 'open' })
      const [writer, reader] = [await world.token('nix:write:*'), await world.token('nix:read:*')]
      await pusher.push(`${world.url.replace('://', `://any:${writer}@`)}/nix`, top)
      // A stranger under another name of this machine, who knows the same archives.
      await using stranger = await startFront(world.url)
      const elsewhere = stranger.url.replace('127.0.0.1', 'localhost')
      await using front = await startFront(world.url, ({ url = '' }) =>
        url.includes('/nar/') || url.includes(path.basename(top).slice(0, 32)) ? new URL(elsewhere + url) : undefined,
      )
      for (const [from, ...options] of [
        [`${front.url.replace('://', `://any:${reader}@`)}/nix`],
        [`${front.url}/nix`, ...(await netrc(pusher, `machine 127.0.0.1 login any password ${reader}\n`))],
      ] as const) {
        await using nix = await nixClientOf(part, world.publicKey)
        await nix.pull(from, ...options, top)
        expect((await nix.run('store verify', '-r', top)).match(/^checking /gm)).toHaveLength(3)
      }
      const shown = (seen: typeof front): readonly (string | undefined)[] =>
        seen.exchanges.map(({ sent }) => sent.authorization)
      expect(shown(front)).toEqual(shown(front).map(() => expect.stringMatching(/^Basic /) as unknown))
      expect(stranger.exchanges.length).toBeGreaterThanOrEqual(8)
      expect(new Set(shown(stranger))).toEqual(new Set([undefined]))
    },
    LIMIT_MS,
  )

  it(
    'takes a token under any user name, from a netrc and from the URL, and from no other machine of the netrc',
    async () => {
      await using world = await startGuardedWorld({ reads: 'closed' })
      const cache = `${world.url}/nix`
      const [writer, reader] = [await world.token('nix:write:*'), await world.token('nix:read:*')]
      await pusher.push(cache, ...(await netrc(pusher, `machine 127.0.0.1 login somebody password ${writer}\n`)), top)
      for (const user of ['depot', 'x', 'a%40b'])
        expect(await pusher.run('path-info', '--store', cache.replace('://', `://${user}:${reader}@`), top)).toContain(
          top,
        )
      for (const machine of ['other.example', '127.0.0.2']) {
        await using nix = await nixClientOf(part, world.publicKey)
        const options = await netrc(nix, `machine ${machine} login any password ${reader}\n`)
        await nix.failure('copy', '--from', cache, '--to', nix.root, ...options, top)
      }
      await using nix = await nixClientOf(part, world.publicKey)
      await nix.pull(cache, ...(await netrc(nix, `default login any password ${reader}\n`)), top)
      expect(world.bugs).toEqual([])
    },
    LIMIT_MS,
  )

  it(
    'is no cache to a token of something else, which is not told that it is one',
    async () => {
      await using world = await startGuardedWorld({ reads: 'closed' })
      const token = await world.token('npm:read:*')
      await using nix = await nixClientOf(part, world.publicKey)
      const cache = `${world.url.replace('://', `://any:${token}@`)}/nix`
      expect(await nix.failure('path-info', '--store', cache, top)).toContain('does not appear to be a binary cache')
      expect(await nix.build(closureExpression(3, 'places'), '--option', 'substituters', cache)).toEqual([top])
    },
    LIMIT_MS,
  )

  it(
    'takes the nix-cache-info that a client sends where it found none, and keeps its own',
    async () => {
      await using world = await startWorld()
      const own = await (await world.fetch('/nix/nix-cache-info')).text()
      await using front = await startFront(world.url, ({ method, url }) =>
        method === 'GET' && url?.endsWith('/nix-cache-info') === true ? 404 : undefined,
      )
      await pusher.push(`${front.url}/nix?want-mass-query=true`, top)
      const sent = front.exchanges.filter(({ method, path: at }) => method === 'PUT' && at === '/nix/nix-cache-info')
      expect(sent.map(({ status }) => status)).toEqual([200])
      expect(await (await world.fetch('/nix/nix-cache-info')).text()).toBe(own)
      await using nix = await nixClientOf(part, world.publicKey)
      await nix.pull(`${world.url}/nix`, top)
    },
    LIMIT_MS,
  )

  it(
    'waits for a depot that is busy: 503 with Retry-After',
    async () => {
      await using world = await startWorld()
      await pusher.push(`${world.url}/nix`, top)
      const busy = new Set(['/nix/nix-cache-info'])
      await using front = await startUpstream((incoming, outgoing) => {
        const { url = '' } = incoming
        if (busy.delete(url)) outgoing.writeHead(503, { 'Retry-After': '1' }).end()
        else outgoing.writeHead(307, { Location: world.url + url }).end()
      })
      await using nix = await nixClientOf(part, world.publicKey)
      await nix.pull(`${front.url}/nix`, top)
      expect(busy.size).toBe(0)
    },
    LIMIT_MS,
  )
}

/** A derivation whose build says something, and what is made of it has a name that URLs do not like. */
function talking(name: string): string {
  return `derivation {
    name = "${name}"; system = builtins.currentSystem; builder = "/bin/sh"; PATH = "/usr/bin:/bin";
    args = [ "-c" "echo talking; mkdir $out; echo 1 > $out/c++" ];
  }`
}

async function netrc(nix: NixClient, text: string): Promise<readonly string[]> {
  const file = path.join(nix.root, '..', 'netrc')
  await mkdir(path.dirname(file), { recursive: true })
  await writeFile(file, text)
  return ['--option', 'netrc-file', file]
}
