import { randomBytes } from 'node:crypto'
import { readFile, writeFile } from 'node:fs/promises'
import path from 'node:path'
import process from 'node:process'

import { expect, it } from 'vitest'

import { savedFiles } from '../../src/node/saved-files.ts'
import { describeWith } from '../helpers/have.ts'
import { addressedExpression, closureExpression, nixClientOf, type NixClient } from '../helpers/nix-client.ts'
import { ADDRESSED, derivation } from '../helpers/nix-expressions.ts'
import { environmentOf, nixSave } from '../helpers/nix-save.ts'
import { runDepot, type Finished } from '../helpers/run-depot.ts'
import { tempDir } from '../helpers/temp-dir.ts'
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

  it(
    'brings what nix copy wrote into a folder, however that is compressed',
    async () => {
      await using here = await pushed(part)
      await using dir = await tempDir('nix-push')
      await writeFile(dir.join('large'), randomBytes(3_000_000))
      const large = (await here.client.run('store add-path', dir.join('large'))).trim().split('\n')[0] ?? ''
      const all: string[] = []
      for (const compression of ['none', 'gzip', 'xz', 'bzip2', 'zstd', 'br']) {
        const [top = ''] = await here.client.build(closureExpression(3, compression))
        await here.client.push(`file://${dir.join(compression)}?compression=${compression}`, top, large)
        const { status, stdout, stderr } = await runDepot([
          'nix',
          'push',
          here.world.url,
          '--dir',
          dir.join(compression),
        ])
        expect([status, stderr]).toEqual([0, ''])
        expect(stdout).toMatch(all.length === 0 ? /^sent 4 .* 0 there/m : /^sent 3 .* 1 there/m)
        all.push(top)
      }
      await using puller = await nixClientOf(part, here.world.publicKey)
      await puller.pull(`${here.world.url}/nix`, ...all, large)
      expect((await puller.run('store verify', '-r', ...all, large)).match(/^checking /gm)).toHaveLength(19)
      expect(here.world.bugs).toEqual([])
    },
    LIMIT_MS,
  )

  it(
    'brings what depot nix save wrote, with the logs of builds and what content-addressed derivations came to',
    async () => {
      await using here = await pushed(part)
      await using dir = await tempDir('nix-push')
      const [top = ''] = await here.client.build(addressedExpression('push'))
      await nixSave(part, here.client, '--dir', dir.join('nix'), '--logs', '--derivation', top)
      const saved = (await Array.fromAsync(savedFiles(dir.join('nix')).list())).map(({ path: at }) => at)
      const notes = saved.filter((at) => /^(?:log|realisations|build-trace-v2)\//.test(at))
      expect(notes.length).toBeGreaterThan(1)
      const push = () => runDepot(['push', here.world.url, '--dir', dir.path])
      const { status, stdout, stderr } = await push()
      expect([status, stderr]).toEqual([0, ''])
      for (const at of notes) {
        expect(stdout).toContain(`sent ${at}\n`)
        expect((await here.world.fetch(`/nix/${at}`)).status).toBe(200)
      }
      expect((await push()).stdout).toMatch(/^sent 0 \(0 bytes\), \d+ there already, 0 failed\n$/)
      expect(here.world.bugs).toEqual([])
    },
    LIMIT_MS,
  )

  it(
    'builds what a flake stands for, and brings that',
    async () => {
      await using here = await pushed(part)
      await using dir = await tempDir('nix-push')
      const system = `${process.arch === 'arm64' ? 'aarch64' : 'x86_64'}-linux`
      const hello = derivation('hello', 'echo hello > $out').replace('builtins.currentSystem', JSON.stringify(system))
      await writeFile(dir.join('flake.nix'), `{ outputs = _: { hello = ${hello}; }; }`)
      const env = await environmentOf(part, here.client)
      await here.client.build(closureExpression(1, 'a store'))
      const push = (name: string) =>
        runDepot(
          ['push', here.world.url, '--nix-store', here.client.root, '--flake-refs', `path:${dir.path}#${name}`],
          env,
        )
      const { status, stdout, stderr } = await push('hello')
      expect([status, stderr]).toEqual([0, ''])
      const sent = /^sent (?<path>\S+-hello)$/m.exec(stdout)?.groups?.['path'] ?? ''
      await using puller = await nixClientOf(part, here.world.publicKey)
      await puller.pull(`${here.world.url}/nix`, sent)
      expect(await readFile(path.join(puller.root, sent), 'utf8')).toBe('hello\n')
      expect(await push('none')).toMatchObject({
        status: 1,
        stderr: expect.stringContaining('#none: nix build ended') as unknown,
      })
    },
    LIMIT_MS,
  )

  it(
    'brings what a content-addressed derivation came to, so that nobody builds it again',
    async () => {
      await using here = await pushed(part)
      const dep = derivation('dep', 'echo dep > $out', ADDRESSED)
      const expression = `let dep = ${dep}; in ${derivation('top', 'echo top $dep > $out', `${ADDRESSED} inherit dep;`)}`
      const [top = ''] = await here.client.build(expression)
      const { status, stdout } = await here.push(top)
      expect(status).toBe(0)
      expect(stdout).toMatch(/^sent realisations\/sha256:/m)
      await using builder = await nixClientOf(part, here.world.publicKey)
      // It has nothing to build with.
      expect(await builder.build(expression, '--substituters', `${here.world.url}/nix`, '--max-jobs', '0')).toEqual([
        top,
      ])
      expect((await here.push(top)).stdout).toMatch(/^sent 0 /m)
      expect(here.world.bugs).toEqual([])
    },
    LIMIT_MS,
  )
}
