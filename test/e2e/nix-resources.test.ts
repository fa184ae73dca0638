import { afterAll, beforeAll, describe, expect, it } from 'vitest'

import { describeWith } from '../helpers/have.ts'
import { closureExpression, nixClientOf, type NixClient } from '../helpers/nix-client.ts'
import { ADDRESSED, derivation, withoutOffsets } from '../helpers/nix-expressions.ts'
import { startWorld, type World } from '../helpers/world.ts'

const LIMIT_MS = 120_000

for (const part of ['nix', 'nixNew'] as const)
  describeWith(part, `e2e/${part}-resources`, () =>
    describe.each(['', '/nix'])('at "%s"', (mount) => {
      suite(part, mount)
    }),
  )

function suite(part: 'nix' | 'nixNew', mount: string): void {
  let pusher: NixClient
  let world: World
  const cache = (): string => world.url + mount
  beforeAll(async () => {
    pusher = await nixClientOf(part)
    world = await startWorld()
  }, LIMIT_MS)
  afterAll(async () => {
    await world[Symbol.asyncDispose]()
    await pusher[Symbol.asyncDispose]()
  })

  const drvOf = async (built: string): Promise<string> => (await pusher.run('path-info', '--derivation', built)).trim()

  it(
    'nix log shows everybody the log that copy-log sent, by the derivation and by what it built',
    async () => {
      const [built = ''] = await pusher.build(derivation('talks', "echo building; echo '<b>&</b>'; echo $name > $out"))
      const drv = await drvOf(built)
      await pusher.push(`${cache()}?compression=none`, built)
      await pusher.push(`${cache()}?compression=none`, '--derivation', drv)
      await using reader = await nixClientOf(part, world.publicKey)
      expect(await reader.failure('log', '--store', cache(), drv)).toContain('not available')
      await pusher.run('store copy-log', '--to', cache(), drv)
      await pusher.run('store copy-log', '--to', cache(), drv)
      for (const asked of [drv, built])
        expect(await reader.run('log', '--store', cache(), asked)).toContain('building\n<b>&</b>\n')
    },
    LIMIT_MS,
  )

  it.each(['', '&write-nar-listing=1'])(
    'gives the listing that Nix makes of a path, whether Nix sent one or not: "%s"',
    async (setting) => {
      const [built = ''] = await pusher.build(closureExpression(2, `listed${setting.length}`))
      await pusher.push(`${cache()}?compression=zstd${setting}`, built)
      const listing = (await (await world.fetch(`${mount}/${hashOf(built)}.ls`)).json()) as { root: unknown }
      const own = JSON.parse(await pusher.run('store ls', '--json', '-R', built)) as unknown
      const remote = JSON.parse(await pusher.run('store ls', '--json', '-R', '--store', cache(), built)) as unknown
      expect(listing).toEqual({ version: 1, root: remote })
      expect(withoutOffsets(listing.root)).toEqual(withoutOffsets(own))
    },
    LIMIT_MS,
  )

  it(
    'holds where debug information lies, from a push with index-debug-info',
    async () => {
      const id = '0123456789abcdef0123456789abcdef01234567'
      const file = `lib/debug/.build-id/${id.slice(0, 2)}/${id.slice(2)}.debug`
      const script = `mkdir -p $out/lib/debug/.build-id/01; echo debug > $out/${file}`
      for (const [round, compression] of ['zstd', 'bzip2'].entries()) {
        const [built = ''] = await pusher.build(derivation(`debug${round}`, `${script}; echo ${round} > $out/round`))
        await pusher.push(`${cache()}?compression=${compression}&index-debug-info=1`, built)
      }
      const answer = await world.fetch(`${mount}/debuginfo/${id}`)
      const { archive, member } = (await answer.json()) as { archive: string; member: string }
      expect(member).toBe(file)
      const nar = await fetch(new URL(archive, answer.url))
      expect(nar.status).toBe(200)
      expect(nar.url).toContain(`${mount}/nar/`)
    },
    LIMIT_MS,
  )

  it(
    'carries content-addressed derivations both ways: what their outputs turned out to be is signed and believed',
    async () => {
      const dep = derivation('dep', 'echo dep > $out', ADDRESSED)
      const expression = `let dep = ${dep}; in ${derivation('top', 'echo top $dep > $out', `${ADDRESSED} inherit dep;`)}`
      const [built = ''] = await pusher.build(expression)
      await pusher.run('copy', '--impure', '--expr', expression, '--to', `${cache()}?compression=zstd`)
      const substitute = ['--substituters', cache(), '--max-jobs', '0'] as const
      await using puller = await nixClientOf(part, world.publicKey)
      expect(await puller.build(expression, ...substitute)).toEqual([built])
      expect(await puller.run('realisation info', '--json', '--impure', '--expr', expression)).toContain('depot-')
      // A substitution believes whatever a cache says; a copy looks at signatures.
      const copy = ['copy', '--impure', '--expr', expression, '--from', cache(), '--to'] as const
      await using copier = await nixClientOf(part, world.publicKey)
      await copier.run(...copy, copier.root)
      expect(await copier.run('path-info', built)).toContain(built)
      await using stranger = await nixClientOf(part)
      await expect(stranger.run(...copy, stranger.root)).rejects.toThrow()
    },
    LIMIT_MS,
  )

  it('ends in no bug', () => {
    expect(world.bugs).toEqual([])
  })
}

function hashOf(storePath: string): string {
  return storePath.slice('/nix/store/'.length, '/nix/store/'.length + 32)
}
