import { afterAll, beforeAll, expect, it } from 'vitest'

import { startFront } from '../helpers/front.ts'
import { describeWith } from '../helpers/have.ts'
import { closureExpression, nixClientOf, type NixClient } from '../helpers/nix-client.ts'
import { runDepot } from '../helpers/run-depot.ts'
import { startWorld } from '../helpers/world.ts'

const LIMIT_MS = 120_000
/** As Nix is configured where nobody configured it: what it found it knows for 30 days, what it did not find for an hour. */
const REMEMBERING = [
  ['--option', 'narinfo-cache-positive-ttl', '2592000'],
  ['--option', 'narinfo-cache-negative-ttl', '3600'],
].flat()

for (const part of ['nix', 'nixNew'] as const) describeWith(part, `e2e/nix-verbs-memory: ${part}`, () => suite(part))

/** What a client remembers of a cache on its own disk, and what makes it ask again. */
function suite(part: 'nix' | 'nixNew'): void {
  const expression = closureExpression(3, 'memory')
  let pusher: NixClient
  let top: string

  beforeAll(async () => {
    pusher = await nixClientOf(part)
    ;[top = ''] = await pusher.build(expression)
  }, LIMIT_MS)
  afterAll(() => pusher[Symbol.asyncDispose]())

  /** A client with the closure that remembers nothing yet. */
  async function fresh(...trustedKeys: readonly string[]): Promise<NixClient> {
    const client = await nixClientOf(part, ...trustedKeys)
    await pusher.run('copy', '--no-check-sigs', '--to', client.root, top)
    return client
  }

  it(
    'a second nix copy asks nothing, and from a client that has never seen the cache it sends nothing',
    async () => {
      await using world = await startWorld()
      await using front = await startFront(world.url)
      const to = `${front.url}/nix?compression=none`
      await using one = await fresh()
      await one.push(to, ...REMEMBERING, top)
      expect(front.exchanges.splice(0).filter(({ method }) => method === 'PUT')).toHaveLength(6)
      await one.push(to, ...REMEMBERING, top)
      expect(front.exchanges).toEqual([])
      await using other = await fresh()
      await other.push(to, ...REMEMBERING, top)
      expect(new Set(front.exchanges.map(({ method }) => method))).toEqual(new Set(['GET']))
    },
    LIMIT_MS,
  )

  it(
    'a path that was deleted is sent again with --refresh, and not without',
    async () => {
      await using world = await startWorld()
      const to = `${world.url}/nix?compression=none`
      const present = async () =>
        (await world.fetch(`/nix/${top.slice('/nix/store/'.length).slice(0, 32)}.narinfo`)).status
      await using one = await fresh()
      await one.push(to, ...REMEMBERING, top)
      await runDepot(['nix', 'rm', '--yes', top, world.url])
      await one.push(to, ...REMEMBERING, top)
      expect(await present()).toBe(404)
      await one.push(to, ...REMEMBERING, '--refresh', top)
      expect(await present()).toBe(200)
    },
    LIMIT_MS,
  )

  it(
    'a path that was deleted is built after --refresh or when Nix finds its archive gone, all by itself',
    async () => {
      await using world = await startWorld()
      await pusher.push(`${world.url}/nix`, top)
      const from = ['--option', 'substituters', `${world.url}/nix`, ...REMEMBERING] as const
      await using nix = await nixClientOf(part, world.publicKey)
      expect(await nix.run('path-info', '--store', `${world.url}/nix`, ...REMEMBERING, top)).toContain(top)
      await runDepot(['nix', 'rm', '--yes', '--closure', top, world.url])
      expect(await nix.run('path-info', '--store', `${world.url}/nix`, ...REMEMBERING, top)).toContain(top)
      expect(await nix.failure('path-info', '--store', `${world.url}/nix`, '--refresh', top)).toContain('is not valid')
      expect(await nix.build(expression, ...from)).toEqual([top])
    },
    LIMIT_MS,
  )

  it(
    'what was not found is not asked for again within the hour, but with --refresh',
    async () => {
      await using world = await startWorld()
      const ask = ['path-info', '--store', `${world.url}/nix`, ...REMEMBERING, top] as const
      await using nix = await nixClientOf(part)
      expect(await nix.failure(...ask)).toContain('is not valid')
      await pusher.push(`${world.url}/nix`, top)
      expect(await nix.failure(...ask)).toContain('is not valid')
      expect(await nix.run('path-info', ...ask.slice(1), '--refresh')).toContain(top)
    },
    LIMIT_MS,
  )

  it(
    'the machine that pushed knows only its own narinfo, which has no signature, until it is told to refresh',
    async () => {
      await using world = await startWorld()
      const cache = `${world.url}/nix`
      await using one = await fresh(world.publicKey)
      await one.push(cache, ...REMEMBERING, top)
      // Another store of the same user: what is remembered belongs to the user.
      const again = ['copy', '--from', cache, '--to', `${one.root}-2`, ...REMEMBERING, top] as const
      expect(await one.failure(...again)).toContain('lacks a')
      await one.run('copy', ...again.slice(1), '--refresh')
      expect(await one.run('path-info', '--store', `${one.root}-2`, '-r', '--sigs', top)).toMatch(
        /depot-[0-9a-f]{8}-1:/,
      )
    },
    LIMIT_MS,
  )
}
