import path from 'node:path'

import { expect, it } from 'vitest'

import { describeWith } from '../helpers/have.ts'
import { closureExpression, nixClientOf, type NixClient } from '../helpers/nix-client.ts'
import { runDepot, type Finished } from '../helpers/run-depot.ts'
import { startWorld, type World } from '../helpers/world.ts'

const LIMIT_MS = 120_000
const PATHS = 8

for (const part of ['nix', 'nixNew'] as const) describeWith(part, `e2e/nix-push: ${part}`, () => pushes(part))

interface Pushed extends AsyncDisposable {
  readonly world: World
  readonly client: NixClient
  /** Push from the client's store. */
  push(...args: readonly string[]): Promise<Finished>
}

async function pushed(part: 'nix' | 'nixNew'): Promise<Pushed> {
  await using made = new AsyncDisposableStack()
  const world = made.use(await startWorld())
  const client = made.use(await nixClientOf(part))
  const owned = made.move()
  return {
    world,
    client,
    push: (...args) => runDepot(['nix', 'push', world.url, '--nix-store', client.root, ...args]),
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  }
}

function pushes(part: 'nix' | 'nixNew'): void {
  it(
    'brings a closure to whoever trusts the depot, and sends nothing of it twice',
    async () => {
      await using here = await pushed(part)
      const [top = ''] = await here.client.build(closureExpression(PATHS, 'push'))
      const first = await here.push(top)
      expect(first).toMatchObject({ status: 0, stderr: '' })
      expect(first.stdout).toMatch(new RegExp(`^sent ${PATHS} \\(.*, 0 there already, 0 failed$`, 'm'))
      await using puller = await nixClientOf(part, here.world.publicKey)
      await puller.pull(`${here.world.url}/nix`, top)
      expect((await puller.run('store verify', '-r', top)).match(/^checking /gm)).toHaveLength(PATHS)
      const before = await here.world.depot.kv.auditHead()
      expect((await here.push(top)).stdout).toBe(`sent 0 (0 bytes), ${PATHS} there already, 0 failed\n`)
      expect(await here.world.depot.kv.auditHead()).toBe(before)
      expect(here.world.bugs).toEqual([])
    },
    LIMIT_MS,
  )

  it(
    'brings the derivations as well, so that what they make can be built where nothing else is',
    async () => {
      await using here = await pushed(part)
      const expression = closureExpression(3, 'derivations')
      const [top = ''] = await here.client.build(expression)
      expect(await here.push('--derivation', top)).toMatchObject({ status: 0 })
      const { deriver } = (await (
        await fetch(`${here.world.url}/nix/-/paths/${path.basename(top).slice(0, 32)}`)
      ).json()) as {
        deriver: string
      }
      await using builder = await nixClientOf(part, here.world.publicKey)
      // No substitute for what is built: the derivations come alone.
      await builder.run('copy', '--derivation', '--from', `${here.world.url}/nix`, deriver)
      expect(await builder.build(expression, '--offline')).toEqual([top])
      expect(here.world.bugs).toEqual([])
    },
    LIMIT_MS,
  )
}
