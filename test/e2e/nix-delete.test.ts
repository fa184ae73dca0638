import { describe, expect, it } from 'vitest'

import { runDepot } from '../helpers/run-depot.ts'
import { describeWith } from '../helpers/have.ts'
import { closureExpression, nixClientOf } from '../helpers/nix-client.ts'
import { startWorld } from '../helpers/world.ts'

const LIMIT_MS = 180_000

for (const part of ['nix', 'nixNew'] as const)
  describeWith(part, `e2e/${part}-delete`, () => {
    describe('a closure that Nix pushed', () => {
      it(
        'loses a path that nothing needs, then is whole without it, and comes back with the next push',
        async () => {
          await using pusher = await nixClientOf(part)
          await using world = await startWorld()
          const rm = (...args: readonly string[]) => runDepot(['nix', 'rm', '--yes', ...args, world.url])
          const cache = `${world.url}/nix`
          const [root = ''] = await pusher.build(closureExpression(8, 'delete'))
          await pusher.push(`${cache}?compression=xz`, root)
          const closure = (await pusher.run('path-info', '-r', root)).trim().split('\n')
          const [leaf = '', below = ''] = ['pkg0-1.0', 'pkg6-1.0'].map(
            (name) => closure.find((one) => one.endsWith(name)) ?? '',
          )

          const refused = await rm(leaf)
          expect(refused.status).toBe(1)
          expect(refused.stderr).toMatch(/pkg0-1\.0 is needed by \S+-pkg1-1\.0/)

          expect(await rm(root)).toMatchObject({ status: 0, stdout: `deleted ${root}\n` })
          await using reader = await nixClientOf(part, world.publicKey)
          await reader.pull(cache, below)
          expect((await reader.run('path-info', '-r', below)).trim().split('\n')).toHaveLength(closure.length - 1)
          await reader.run('store verify', '--recursive', '--no-trust', below)
          expect(await reader.failure('copy', '--from', cache, '--to', reader.root, root)).toContain(root)

          await pusher.push(`${cache}?compression=xz`, root)
          await reader.pull(cache, root)

          const plan = await runDepot(['nix', 'rm', '--referrers', '--dry-run', leaf, world.url])
          expect(plan.stdout.match(/^would delete /gm)).toHaveLength(closure.length)
          expect((await rm('--closure', root)).stdout.match(/^deleted /gm)).toHaveLength(closure.length)
          expect((await runDepot(['nix', 'list', '--json', world.url])).stdout).toBe('')
          await pusher.push(`${cache}?compression=zstd`, root)
          await using last = await nixClientOf(part, world.publicKey)
          await last.pull(cache, root)
          expect(world.bugs).toEqual([])
        },
        LIMIT_MS,
      )
    })
  })
