import { mkdir, readdir, readFile, rename, symlink, writeFile } from 'node:fs/promises'
import path from 'node:path'

import { afterAll, beforeAll, describe, expect, it } from 'vitest'

import { generateSecretKey, parseSecretKey } from '../../protocols/nix/signing.ts'
import { startGuardedWorld } from '../helpers/guarded-world.ts'
import { describeWith } from '../helpers/have.ts'
import { closureExpression, nixClientOf, type NixClient } from '../helpers/nix-client.ts'
import { ADDRESSED, derivation } from '../helpers/nix-expressions.ts'
import { nixSave } from '../helpers/nix-save.ts'
import { runDepot } from '../helpers/run-depot.ts'
import { startUpstream } from '../helpers/upstream.ts'
import { tempDir, type TempDir } from '../helpers/temp-dir.ts'

const PATHS = 12
const LIMIT_MS = 120_000
const SECRET = generateSecretKey('builder-1')
const PUBLIC = parseSecretKey(SECRET).publicKey

for (const part of ['nix', 'nixNew'] as const) describeWith(part, `e2e/nix-save: ${part}`, () => suite(part))

function suite(part: 'nix' | 'nixNew'): void {
  let owner: NixClient
  let dir: TempDir
  let top: string
  const saveTo = (folder: string, ...args: readonly string[]) =>
    nixSave(part, owner, '--dir', dir.join(folder), ...args)
  const cacheIn = (folder: string): string => `file://${dir.join(folder)}`
  const lastLine = (text: string): string => text.trim().split('\n').at(-1) ?? ''

  beforeAll(async () => {
    dir = await tempDir('nix-save')
    owner = await nixClientOf(part)
    ;[top = ''] = await owner.build(closureExpression(PATHS, 'save'))
    await writeFile(dir.join('key'), SECRET)
    await owner.run('store sign', '-r', '--key-file', dir.join('key'), top)
  }, LIMIT_MS)
  afterAll(async () => {
    await owner[Symbol.asyncDispose]()
    await dir[Symbol.asyncDispose]()
  })

  describe('a closure that was built here', () => {
    it(
      'is installed from the folder with its signatures checked, and is saved once',
      async () => {
        await symlink(top, dir.join('result'))
        await symlink('result', dir.join('result-again'))
        const { status, stdout, stderr } = await saveTo('closure', dir.join('result-again'), '--logs')
        expect([stderr, status, lastLine(stdout)]).toEqual(['', 0, expect.stringContaining(`saved ${PATHS} `)])
        await using puller = await nixClientOf(part, PUBLIC)
        await puller.pull(cacheIn('closure'), top)
        expect((await puller.run('store verify', '-r', top)).match(/^checking /gm)).toHaveLength(PATHS)
        expect(await readdir(dir.join('closure', 'log'))).toHaveLength(PATHS)
        expect(lastLine((await saveTo('closure', top)).stdout)).toBe(
          `saved 0 (0 bytes), ${PATHS} there already, 0 failed`,
        )
        await using stranger = await nixClientOf(part)
        expect(await stranger.failure('copy', '--from', cacheIn('closure'), '--to', stranger.root, top)).toContain(
          'lacks a',
        )
      },
      LIMIT_MS,
    )

    it(
      'is what nix copy itself leaves in a folder, which is read too and added to',
      async () => {
        await owner.push(`${cacheIn('copied')}?compression=xz`, top)
        expect(lastLine((await saveTo('copied', top)).stdout)).toContain(`${PATHS} there already, 0 failed`)
        const [above = ''] = await owner.build(closureExpression(PATHS + 1, 'save'))
        expect(lastLine((await saveTo('copied', above)).stdout)).toMatch(`${PATHS} there already, 0 failed`)
        await using puller = await nixClientOf(part, PUBLIC)
        await puller.run('copy', '--no-check-sigs', '--from', cacheIn('copied'), '--to', puller.root, above)
        expect((await puller.run('path-info', '-r', above)).trim().split('\n')).toHaveLength(PATHS + 1)
      },
      LIMIT_MS,
    )

    it(
      'is saved from a depot that signs it, with credentials',
      async () => {
        await using world = await startGuardedWorld({ reads: 'closed' })
        const [writer, reader] = [await world.token('nix:write:*'), await world.token('nix:read:*')]
        const withToken = (token: string): string => `${world.url.replace('//', `//depot:${token}@`)}/nix`
        await owner.push(withToken(writer), top)
        const args = ['nix', 'save', top, '--trusted-key', world.publicKey, '--dir', dir.join('from-depot'), '--from']
        const { status, stdout, stderr } = await runDepot([...args, withToken(reader)])
        expect([stderr, status, lastLine(stdout)]).toEqual(['', 0, expect.stringContaining(`saved ${PATHS} `)])
        const without = await runDepot([...args, `${world.url}/nix`], { DEPOT_AUTH_TOKEN: reader })
        expect([without.status, without.stderr]).toEqual([1, expect.stringContaining('answers 401')])
        await using puller = await nixClientOf(part, world.publicKey)
        await puller.pull(cacheIn('from-depot'), top)
      },
      LIMIT_MS,
    )

    it.each(['xz', 'zstd', 'bzip2', 'gzip', 'br', 'none'])(
      'is saved from a cache of another, compressed with %s',
      async (codec) => {
        const name = `upstream-${codec}`
        await owner.push(`${cacheIn(name)}?compression=${codec}`, top)
        await using upstream = await serve(dir.join(name))
        const args = ['--from', upstream.url, '--trusted-key', PUBLIC, '--dir', dir.join(`saved-${codec}`)]
        const { status, stderr } = await runDepot(['nix', 'save', '--stdin', ...args, '--store-paths', top])
        expect([stderr, status]).toEqual(['', 0])
        await using puller = await nixClientOf(part, PUBLIC)
        await puller.pull(cacheIn(`saved-${codec}`), top)
        expect((await puller.run('store verify', '-r', top)).match(/^checking /gm)).toHaveLength(PATHS)
      },
      LIMIT_MS,
    )
  })

  it(
    'a path whose name is known only once it was built comes with what tells it',
    async () => {
      const dep = derivation('dep', 'echo dep > $out', ADDRESSED)
      const expression = `let dep = ${dep}; in ${derivation('top', 'echo top $dep > $out', `${ADDRESSED} inherit dep;`)}`
      const [addressed = ''] = await owner.build(expression)
      expect((await saveTo('addressed', addressed)).status).toBe(0)
      expect((await readdir(dir.join('addressed', 'realisations'))).length).toBeGreaterThanOrEqual(1)
      await using builder = await nixClientOf(part)
      // It has nothing to build with.
      const options = ['--substituters', cacheIn('addressed'), '--no-require-sigs', '--max-jobs', '0'] as const
      expect(await builder.build(expression, ...options)).toEqual([addressed])
    },
    LIMIT_MS,
  )

  it(
    'what is saved with its derivation and what that needs is built once more with nothing else',
    async () => {
      const tool = derivation('tool', 'echo tool > $out')
      const source = `builtins.toFile "source" "some source"`
      const expression = `let tool = ${tool}; in ${derivation('made', 'cat $src $tool > $out', `inherit tool; src = ${source};`)}`
      const [made = ''] = await owner.build(expression)
      const { status, stdout } = await saveTo('rebuild', made, '--build-deps', '--json')
      expect(status).toBe(0)
      const items = stdout
        .trim()
        .split('\n')
        .flatMap((line) => (JSON.parse(line) as { item?: string }).item ?? [])
      expect(items.map((item) => item.slice('/nix/store/'.length + 33)).sort()).toEqual([
        'made',
        'made.drv',
        'source',
        'tool',
        'tool.drv',
      ])
      const [derivationPath = '', toolPath = ''] = [/-made\.drv$/, /-tool$/].map((name) =>
        items.find((item) => name.test(item)),
      )
      await using builder = await nixClientOf(part)
      const from = ['--no-check-sigs', '--from', cacheIn('rebuild'), '--to', builder.root] as const
      await builder.run('copy', ...from, '--derivation', derivationPath)
      await builder.run('copy', ...from, toolPath)
      const said = await builder.run('build', '--no-link', '-L', derivationPath + (part === 'nix' ? '' : '^*'))
      expect(said).toContain(`building '${derivationPath}'`)
      expect(said).not.toContain('tool.drv')
      expect(await readFile(path.join(builder.root, made), 'utf8')).toBe('some sourcetool\n')
      // What the store has lost meanwhile is made again.
      await owner.run('store delete', toolPath)
      expect((await saveTo('rebuild-again', derivationPath, '--build-deps')).stdout).toContain(`saved ${toolPath}\n`)
    },
    LIMIT_MS,
  )

  it(
    'a flake is there with its inputs where none of them can be had from elsewhere',
    async () => {
      const flake = await writeFlake(dir.path)
      const named = ['--flake-refs', `path:${flake}#made,path:${flake}`, '--flake-inputs', '--derivation']
      const { status, stderr } = await saveTo('flake', ...named)
      expect([stderr, status]).toEqual(['', 0])
      await rename(dir.join('input'), dir.join('elsewhere'))
      await using builder = await nixClientOf(part)
      const options = ['--substituters', cacheIn('flake'), '--no-require-sigs', '--max-jobs', '0', '--json'] as const
      const said = await builder.run('build', '--no-link', ...options, `path:${flake}#made`)
      const [, made = ''] = /"(\/nix\/store\/[^"]*-made)"/.exec(said) ?? []
      expect(await readFile(path.join(builder.root, made), 'utf8')).toBe('from the input\n')
    },
    LIMIT_MS,
  )

  it(
    'a flake is evaluated here, and what it makes comes from a cache without being built',
    async () => {
      const folder = dir.join('evaluated')
      await mkdir(folder)
      const flake = await writeFlake(folder)
      const said = await owner.run('build', '--no-link', '--json', `path:${flake}#made`)
      const [, made = ''] = /"(\/nix\/store\/[^"]*-made)"/.exec(said) ?? []
      await owner.run('store sign', '--key-file', dir.join('key'), made)
      await owner.push(cacheIn('evaluated-cache'), made)
      await using evaluator = await nixClientOf(part, PUBLIC)
      const args = ['--from', cacheIn('evaluated-cache'), '--derivation', '--dir', dir.join('evaluated-saved')]
      const { status, stdout, stderr } = await nixSave(part, evaluator, `path:${flake}#made`, ...args)
      expect([stderr, status]).toEqual(['', 0])
      expect(stdout).toContain(`saved ${made}\n`)
      expect(stdout).toContain('-made.drv\n')
      expect(await evaluator.failure('path-info', '--store', evaluator.root, made)).toContain('is not valid')
      await using puller = await nixClientOf(part, PUBLIC)
      await puller.pull(cacheIn('evaluated-saved'), made)
    },
    LIMIT_MS,
  )

  it(
    'a reference that Nix does not understand fails alone, with what Nix says',
    async () => {
      const { status, stderr, stdout } = await saveTo('partly', `path:${dir.join('nowhere')}#x`, top)
      expect([status, lastLine(stdout)]).toEqual([1, expect.stringContaining(`saved ${PATHS} `)])
      expect(stderr).toContain('nix build ended with 1')
    },
    LIMIT_MS,
  )
}

/** A folder over HTTP. */
function serve(folder: string) {
  return startUpstream((incoming, outgoing) => {
    readFile(path.join(folder, incoming.url ?? '')).then(
      (bytes) => outgoing.writeHead(200, { 'Content-Length': bytes.length }).end(bytes),
      () => outgoing.writeHead(404).end(),
    )
  })
}

/** A flake with a lock of its own and an input beside it. */
async function writeFlake(folder: string): Promise<string> {
  const [flake, input] = [path.join(folder, 'flake-source'), path.join(folder, 'input')]
  await mkdir(input)
  await mkdir(flake)
  await writeFile(path.join(input, 'flake.nix'), `{ outputs = { self }: { text = "from the input"; }; }`)
  const made = derivation('made', 'echo ${input.text} > $out').replaceAll('builtins.currentSystem', 'system')
  const systems = `builtins.listToAttrs (map (system: { name = system; value = rec { made = ${made}; default = made; }; }) [ "x86_64-linux" "aarch64-linux" ])`
  await writeFile(
    path.join(flake, 'flake.nix'),
    `{ inputs.input.url = "path:${input}"; outputs = { self, input }: { packages = ${systems}; }; }`,
  )
  return flake
}
