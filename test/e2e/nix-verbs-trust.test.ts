import { afterAll, beforeAll, expect, it } from 'vitest'

import { describeWith } from '../helpers/have.ts'
import { addressedExpression, closureExpression, nixClientOf, type NixClient } from '../helpers/nix-client.ts'
import { runDepot } from '../helpers/run-depot.ts'
import { tempDir } from '../helpers/temp-dir.ts'
import { startWorld } from '../helpers/world.ts'

const LIMIT_MS = 120_000
const PATHS = 3

for (const part of ['nix', 'nixNew'] as const) describeWith(part, `e2e/nix-verbs-trust: ${part}`, () => suite(part))
describeWith(['nix', 'nixNew'], 'e2e/nix-verbs-trust: two versions of Nix', () => between())

/** Settings in the URL of a cache that decide who is believed. */
function suite(part: 'nix' | 'nixNew'): void {
  const expression = closureExpression(PATHS, 'trust')
  let pusher: NixClient
  let top: string
  beforeAll(async () => {
    pusher = await nixClientOf(part)
    ;[top = ''] = await pusher.build(expression)
  }, LIMIT_MS)
  afterAll(() => pusher[Symbol.asyncDispose]())

  it(
    'nix copy with secret-key signs what it sends, and the depot keeps that of a key that it trusts',
    async () => {
      await using home = await tempDir('trust')
      const [friend, stranger] = ['friend-1', 'stranger-1'].map((name) => home.join(name))
      const keyOf = async (name: string, file = '') =>
        (await runDepot(['key', 'generate', '--name', name, '--output', file])).stdout.trim()
      const [friendKey] = [await keyOf('friend-1', friend), await keyOf('stranger-1', stranger)]
      await using world = await startWorld({
        settings: { 'trusted-public-key': friendKey, 'require-trusted-signature': 'true' },
      })
      const to = (file = ''): string => `${world.url}/nix?compression=zstd&secret-key=${file}`
      const told = await pusher.failure('copy', '--from', pusher.root, '--to', to(stranger), top)
      expect(told).toContain('only with a signature of friend-1 that is good')
      await pusher.push(to(friend), top)
      for (const trusted of [friendKey, world.publicKey]) {
        await using nix = await nixClientOf(part, trusted)
        await nix.pull(`${world.url}/nix`, top)
        expect(await nix.run('path-info', '--sigs', top)).not.toContain('stranger-1:')
      }
    },
    LIMIT_MS,
  )

  it(
    'a client that calls the cache trusted installs without a key',
    async () => {
      await using world = await startWorld()
      await pusher.push(`${world.url}/nix`, top)
      await using nix = await nixClientOf(part)
      const substituters = ['--option', 'substituters', `${world.url}/nix?trusted=true`, '--max-jobs', '0'] as const
      expect(await nix.build(expression, ...substituters)).toEqual([top])
    },
    LIMIT_MS,
  )

  it(
    'builtins.fetchClosure takes from the depot what is named by its content',
    async () => {
      await using world = await startWorld()
      const [addressed = ''] = await pusher.build(addressedExpression('fetched'))
      await pusher.push(`${world.url}/nix`, addressed)
      await using nix = await nixClientOf(part)
      const fetched = `builtins.fetchClosure { fromStore = "${world.url}/nix"; fromPath = ${addressed}; }`
      const features = ['--extra-experimental-features', 'fetch-closure'] as const
      expect(await nix.run('eval', '--raw', ...features, '--expr', fetched)).toContain(addressed)
      expect(await nix.run('path-info', addressed)).toContain(addressed)
    },
    LIMIT_MS,
  )
}

/** What one version sent, the other one takes. */
function between(): void {
  it.each([
    ['nix', 'nixNew'],
    ['nixNew', 'nix'],
  ] as const)(
    'what %s pushed %s builds from, and pushes on top of it',
    async (from, to) => {
      await using world = await startWorld()
      const cache = `${world.url}/nix`
      const expression = closureExpression(PATHS, `between-${from}`)
      await using pusher = await nixClientOf(from)
      const [top = ''] = await pusher.build(expression)
      const drv = (await pusher.run('path-info', '--derivation', top)).trim()
      await pusher.push(cache, top)
      await pusher.push(cache, '--derivation', drv)

      await using nix = await nixClientOf(to, world.publicKey)
      expect(await nix.build(expression, '--option', 'substituters', cache, '--max-jobs', '0')).toEqual([top])
      await nix.pull(cache, '--derivation', drv)
      expect((await nix.run('store verify', '-r', top)).match(/^checking /gm)).toHaveLength(PATHS)
      const [above = ''] = await nix.build(closureExpression(PATHS + 1, `between-${from}`))
      await nix.push(`${cache}?compression=zstd`, above)
      await pusher.run('copy', '--no-check-sigs', '--from', cache, '--to', pusher.root, above)
      expect(world.bugs).toEqual([])
    },
    LIMIT_MS,
  )

  it.each([
    ['nix', 'nixNew'],
    ['nixNew', 'nix'],
  ] as const)(
    'a path that is named by its content and names itself is hashed otherwise by %s than by %s, which builds it instead',
    async (from, to) => {
      await using world = await startWorld()
      const cache = `${world.url}/nix`
      const expression = addressedExpression('between')
      await using pusher = await nixClientOf(from)
      const [addressed = ''] = await pusher.build(expression)
      await pusher.push(cache, addressed)
      await using nix = await nixClientOf(to, world.publicKey)
      expect(await nix.failure('copy', '--from', cache, '--to', nix.root, addressed)).toContain('ca hash mismatch')
      await using same = await nixClientOf(from)
      await same.pull(cache, addressed)
      expect(await nix.build(expression, '--option', 'substituters', cache)).not.toEqual([addressed])
    },
    LIMIT_MS,
  )
}
