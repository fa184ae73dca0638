import { afterAll, beforeAll, expect, it } from 'vitest'

import { describeWith } from '../helpers/have.ts'
import { closureExpression, nixClientOf, type NixClient } from '../helpers/nix-client.ts'
import { startWorld, type World } from '../helpers/world.ts'

const LIMIT_MS = 120_000
const PATHS = 5

for (const part of ['nix', 'nixNew'] as const) describeWith(part, `e2e/nix-verbs-read: ${part}`, () => suite(part))

/** Verbs that look into a cache without taking anything from it. */
function suite(part: 'nix' | 'nixNew'): void {
  let pusher: NixClient
  let reader: NixClient
  let world: World
  let top: string
  let below: string
  let drv: string
  const cache = (): string => `${world.url}/nix`

  beforeAll(async () => {
    pusher = await nixClientOf(part)
    world = await startWorld()
    reader = await nixClientOf(part, world.publicKey)
    ;[top = ''] = await pusher.build(closureExpression(PATHS, 'read'))
    drv = (await pusher.run('path-info', '--derivation', top)).trim()
    await pusher.push(`${cache()}?compression=zstd`, top)
    await pusher.push(`${cache()}?compression=zstd`, '--derivation', drv)
    below = linesOf(await pusher.run('path-info', '-r', top)).find((one) => one.endsWith('-pkg0-1.0')) ?? ''
  }, LIMIT_MS)
  afterAll(async () => {
    await world[Symbol.asyncDispose]()
    await reader[Symbol.asyncDispose]()
    await pusher[Symbol.asyncDispose]()
  })

  /** What a verb shows of the depot, and what it shows of the store that the paths come from. */
  async function both(command: string, ...args: readonly string[]): Promise<readonly [string, string]> {
    return [await reader.run(command, '--store', cache(), ...args), await pusher.run(command, ...args)]
  }

  it.each<[verb: string, command: string, ...args: (() => string)[]]>([
    ['path-info -rsS', 'path-info', () => '-rsS', () => top],
    ['path-info -r --derivation', 'path-info', () => '-r', () => '--derivation', () => drv],
    ['store ls -lR', 'store ls', () => '-lR', () => top],
    ['why-depends', 'why-depends', () => top, () => below],
  ])(
    'nix %s shows the same as of the store itself',
    async (_, command, ...args) => {
      const [remote, local] = await both(command, ...args.map((arg) => arg()))
      expect(linesOf(remote).toSorted()).toEqual(linesOf(local).toSorted())
      expect(linesOf(remote).length).toBeGreaterThan(1)
    },
    LIMIT_MS,
  )

  it('nix path-info --json knows the closure, its sizes, what built it and who signed it', async () => {
    const shown = JSON.parse(await reader.run('path-info', '--store', cache(), '--json', '-rS', top)) as object
    const paths = Array.isArray(shown) ? shown : Object.entries(shown).map(([path, facts]) => ({ path, ...facts }))
    expect(paths).toHaveLength(PATHS)
    const signer = expect.stringMatching(/^depot-[0-9a-f]{8}-1:/) as unknown
    expect(paths.find(({ path }) => path === top)).toMatchObject({ deriver: drv, signatures: [signer] })
  })

  it('nix store cat, ls -d and ls --json look at one file of a path', async () => {
    const file = `${top}/bin/run`
    expect(await reader.run('store cat', '--store', cache(), file)).toBe('#!/bin/sh\necho pkg4-1.0\n')
    expect(await reader.run('store ls', '--store', cache(), '-ld', file)).toMatch(/^-r-xr-xr-x +24 /)
    expect(JSON.parse(await reader.run('store ls', '--store', cache(), '--json', file))).toMatchObject({
      type: 'regular',
      executable: true,
      size: 24,
    })
    expect(await reader.failure('store', 'cat', '--store', cache(), `${top}/none`)).toMatch(/does not exist/)
  })

  it('nix store verify checks content and signatures in the depot itself', async () => {
    const verify = ['--store', cache(), '-r', top] as const
    expect((await reader.run('store verify', ...verify)).match(/^checking /gm)).toHaveLength(PATHS)
    await using stranger = await nixClientOf(part)
    expect(await stranger.failure('store', 'verify', ...verify)).toContain('untrusted')
  })

  it('nix store copy-log and nix log carry a build log to the depot and from there to another store', async () => {
    const name = `logs-${part}`
    const [built = ''] = await pusher.build(
      `derivation { name = "${name}"; system = builtins.currentSystem; builder = "/bin/sh"; args = [ "-c" "echo from the build; echo > $out" ]; }`,
    )
    const log = (await pusher.run('path-info', '--derivation', built)).trim()
    await pusher.push(cache(), '--derivation', log)
    await pusher.run('store copy-log', '--to', cache(), log)
    await using other = await nixClientOf(part)
    await other.pull(cache(), '--derivation', log)
    await other.run('store copy-log', '--from', cache(), log)
    expect(await other.run('log', log)).toContain('from the build\n')
  })

  it('nix store ping finds a cache, with a slash at its end, without, and at the root', async () => {
    const verb = part === 'nix' ? 'store ping' : 'store info'
    for (const at of [world.url, `${world.url}/`, cache(), `${cache()}/`])
      expect(await reader.run(verb, '--store', at)).toContain(world.url)
    expect(await reader.failure(...verb.split(' '), '--store', `${world.url}/nix/nothing`)).toMatch(
      /does not appear to be a binary cache|404/,
    )
  })

  it('ends in no bug', () => {
    expect(world.bugs).toEqual([])
  })
}

function linesOf(text: string): string[] {
  return text.trim().split('\n')
}
