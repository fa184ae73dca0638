import { createHash } from 'node:crypto'
import { mkdir, writeFile } from 'node:fs/promises'
import path from 'node:path'

import { afterAll, beforeAll, expect, it } from 'vitest'

import { describeWith } from '../helpers/have.ts'
import { addressedExpression, nixClientOf, type NixClient } from '../helpers/nix-client.ts'
import { startWorld, type World } from '../helpers/world.ts'

const LIMIT_MS = 120_000

for (const part of ['nix', 'nixNew'] as const) describeWith(part, `e2e/nix-verbs-sources: ${part}`, () => suite(part))

/** Flakes, and paths that are named by their content: nobody has to trust a key for them. */
function suite(part: 'nix' | 'nixNew'): void {
  let pusher: NixClient
  let world: World
  const cache = (): string => `${world.url}/nix`
  beforeAll(async () => {
    pusher = await nixClientOf(part)
    world = await startWorld()
  }, LIMIT_MS)
  afterAll(async () => {
    await world[Symbol.asyncDispose]()
    await pusher[Symbol.asyncDispose]()
  })

  const folder = (name: string): string => path.join(pusher.root, '..', name)
  async function written(name: string, text: string): Promise<string> {
    await mkdir(path.dirname(folder(name)), { recursive: true })
    await writeFile(folder(name), text)
    return folder(name)
  }
  const evaluated = async (expression: string): Promise<string> =>
    (await pusher.run('eval', '--impure', '--raw', '--expr', expression)).trim()

  it(
    'nix flake archive sends a flake with its inputs, and another machine gets them without trusting a key',
    async () => {
      await written('lib/flake.nix', '{ outputs = _: { text = "from the input"; }; }')
      await written(
        'app/flake.nix',
        `{ inputs.lib.url = "path:${folder('lib')}";
           outputs = { self, lib }: { packages.x86_64-linux.default = derivation {
             name = "app"; system = "x86_64-linux"; builder = "/bin/sh"; args = [ "-c" "echo \${lib.text} > $out" ];
           }; }; }`,
      )
      const shown = await pusher.run(
        'flake archive',
        '--json',
        '--to',
        `${cache()}?compression=zstd`,
        `path:${folder('app')}`,
      )
      const archive = JSON.parse(shown.slice(shown.indexOf('{'), shown.lastIndexOf('}') + 1)) as Archive
      const sources = [archive.path, archive.inputs['lib']?.path ?? '']
      await using other = await nixClientOf(part)
      await other.pull(cache(), ...sources)
      expect(await other.run('store cat', `${sources[1]}/flake.nix`)).toContain('from the input')
      expect(await other.run('path-info', '--json', ...sources)).toContain('fixed:r:sha256:')
    },
    LIMIT_MS,
  )

  it.each<[what: string, path: (name: string) => Promise<string>, ca: RegExp]>([
    [
      'nix store add-path',
      async (name) => pusher.run('store add-path', path.dirname(await written(`${name}/file`, name))),
      /^fixed:r:sha256:/,
    ],
    ['nix store add-file', async (name) => pusher.run('store add-file', await written(name, name)), /^fixed:sha256:/],
    [
      'builtins.path',
      async (name) => evaluated(`builtins.path { path = ${await written(name, name)}; recursive = false; }`),
      /^fixed:sha256:/,
    ],
    ['builtins.toFile', (name) => evaluated(`builtins.toFile "${name}" "a text"`), /^text:sha256:/],
    [
      'builtins.toFile with a reference',
      (name) => evaluated(`builtins.toFile "${name}" "see \${builtins.toFile "dep" "${name}"}"`),
      /^text:sha256:/,
    ],
    ['an output fixed by its sha1', (name) => fixed(name, 'sha1', 'flat'), /^fixed:sha1:/],
    ['an output fixed by its md5', (name) => fixed(name, 'md5', 'flat'), /^fixed:md5:/],
    ['an output fixed by its sha512', (name) => fixed(name, 'sha512', 'flat'), /^fixed:sha512:/],
    [
      'an output that names itself',
      async () => (await pusher.build(addressedExpression('itself')))[0] ?? '',
      /^fixed:r:sha256:/,
    ],
  ])(
    'a path of %s is installed by one who trusts no key',
    async (what, make, ca) => {
      const target = (await make(what.replaceAll(/[^a-z0-9]+/gi, '-'))).trim().split('\n').at(-1) ?? ''
      await pusher.push(`${cache()}?compression=zstd`, target)
      const answer = await world.fetch(`/nix/${path.basename(target).slice(0, 32)}.narinfo`)
      expect(/^CA: (?<ca>.*)$/m.exec(await answer.text())?.groups?.['ca']).toMatch(ca)
      await using stranger = await nixClientOf(part)
      await stranger.pull(cache(), target)
      expect((await stranger.run('store verify', '-r', target)).match(/^checking /gm)).not.toHaveLength(0)
    },
    LIMIT_MS,
  )

  /** A derivation that says beforehand what comes out. */
  async function fixed(name: string, algorithm: string, mode: string): Promise<string> {
    const hash = createHash(algorithm).update(`${name}\n`).digest('hex')
    const [output = ''] = await pusher.build(`derivation {
      name = "${name}"; system = builtins.currentSystem; builder = "/bin/sh"; args = [ "-c" "echo ${name} > $out" ];
      outputHashMode = "${mode}"; outputHashAlgo = "${algorithm}"; outputHash = "${hash}";
    }`)
    return output
  }

  it(
    'nix store make-content-addressed sends a build under a name that needs no signature',
    async () => {
      const [built = ''] = await pusher.build(
        `derivation { name = "rewritten"; system = builtins.currentSystem; builder = "/bin/sh"; args = [ "-c" "echo $out > $out" ]; }`,
      )
      const told = await pusher.run('store make-content-addressed', '--to', `${cache()}?compression=zstd`, built)
      const rewritten = /to '(?<to>\/nix\/store\/[^']+)'/.exec(told)?.groups?.['to'] ?? ''
      await using stranger = await nixClientOf(part)
      await stranger.pull(cache(), rewritten)
      expect(await stranger.run('store cat', rewritten)).toBe(`${rewritten}\n`)
    },
    LIMIT_MS,
  )

  it('ends in no bug', () => {
    expect(world.bugs).toEqual([])
  })
}

interface Archive {
  readonly path: string
  readonly inputs: Readonly<Record<string, Archive>>
}
