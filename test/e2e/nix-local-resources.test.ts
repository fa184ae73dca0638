import { mkdir, symlink, writeFile } from 'node:fs/promises'
import path from 'node:path'

import { afterAll, beforeAll, expect, it } from 'vitest'

import { describeWith } from '../helpers/have.ts'
import { nixClientOf, type NixClient } from '../helpers/nix-client.ts'
import { ADDRESSED, derivation, withoutOffsets } from '../helpers/nix-expressions.ts'
import { startWorld, type World } from '../helpers/world.ts'

const LIMIT_MS = 120_000

for (const part of ['nix', 'nixNew'] as const)
  describeWith(part, `e2e/${part} resources of a local store`, () => suite(part))

function suite(part: 'nix' | 'nixNew'): void {
  let owner: NixClient
  let world: World
  let cache: string

  beforeAll(async () => {
    owner = await nixClientOf(part)
    // The store is made by whoever asks it first.
    await owner.build(derivation('first', 'echo > $out'))
    world = await startWorld({ settings: { 'nix-store': owner.root } })
    cache = `${world.url}/nix`
  }, LIMIT_MS)
  afterAll(async () => {
    await world[Symbol.asyncDispose]()
    await owner[Symbol.asyncDispose]()
  })

  async function addTree(): Promise<string> {
    const folder = path.join(owner.root, '..', 'tree')
    await mkdir(path.join(folder, 'empty'), { recursive: true })
    await writeFile(path.join(folder, 'program'), Buffer.alloc(100_001, 'x'), { mode: 0o755 })
    await writeFile(path.join(folder, 'ü "text"'), 'text')
    await symlink('../program', path.join(folder, 'link'))
    return (await owner.run('store add-path', folder)).trim()
  }

  it(
    'has the listing that Nix makes of a path, and that it makes of the archive',
    async () => {
      const storePath = await addTree()
      const answer = await fetch(`${cache}/${path.basename(storePath).slice(0, 32)}.ls`)
      const listing = (await answer.json()) as { root: unknown }
      const own = JSON.parse(await owner.run('store ls', '--json', '-R', storePath)) as unknown
      const remote = JSON.parse(await owner.run('store ls', '--json', '-R', '--store', cache, storePath)) as unknown
      expect(listing).toEqual({ version: 1, root: remote })
      expect(withoutOffsets(listing.root)).toEqual(withoutOffsets(own))
    },
    LIMIT_MS,
  )

  it(
    'shows the log of a build, by the derivation and by what it built, also when the derivation is gone',
    async () => {
      const expression = derivation('talks', "echo building; echo '<b>&</b>' >&2; echo x > $out")
      const [built = ''] = await owner.build(expression)
      const drv = (await owner.run('path-info', '--derivation', built)).trim()
      await using reader = await nixClientOf(part, world.publicKey)
      for (const asked of [drv, built])
        expect(await reader.run('log', '--store', cache, asked)).toContain('building\n<b>&</b>\n')
      // Without the flag the older Nix takes a derivation for what it builds.
      await owner.run('store delete', '--ignore-liveness', '--derivation', drv)
      expect(await owner.failure('path-info', '--store', owner.root, '--derivation', drv)).toMatch(/not (?:a )?valid/)
      expect(await reader.run('log', '--store', cache, built)).toContain('building\n<b>&</b>\n')
      await owner.run('store delete', '--ignore-liveness', built)
      expect(await reader.failure('log', '--store', cache, built)).toMatch(/not available|not valid|does not exist/)
    },
    LIMIT_MS,
  )

  it(
    'tells what outputs of content-addressed derivations turned out to be, so that others substitute and copy them',
    async () => {
      const dep = derivation('dep', 'echo dep > $out', ADDRESSED)
      const expression = `let dep = ${dep}; in ${derivation('top', 'echo top $dep > $out', `${ADDRESSED} inherit dep;`)}`
      const [built = ''] = await owner.build(expression)
      await using puller = await nixClientOf(part, world.publicKey)
      expect(await puller.build(expression, '--substituters', cache, '--max-jobs', '0')).toEqual([built])
      expect(await puller.run('realisation info', '--json', '--impure', '--expr', expression)).toContain('depot-')
      // A substitution believes whatever a cache says; a copy looks at signatures.
      const copy = ['copy', '--impure', '--expr', expression, '--from', cache, '--to'] as const
      await using copier = await nixClientOf(part, world.publicKey)
      await copier.run(...copy, copier.root)
      expect(await copier.run('path-info', built)).toContain(built)
      await using stranger = await nixClientOf(part)
      await expect(stranger.run(...copy, stranger.root)).rejects.toThrow()
      expect(world.bugs).toEqual([])
    },
    LIMIT_MS,
  )
}
