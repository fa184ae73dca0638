import { readdir, truncate } from 'node:fs/promises'
import path from 'node:path'

import { afterAll, beforeAll, expect, it } from 'vitest'

import { parseNarinfo } from '../../protocols/nix/narinfo.ts'
import { startFront } from '../helpers/front.ts'
import { describeWith } from '../helpers/have.ts'
import { closureExpression, nixClientOf, type NixClient } from '../helpers/nix-client.ts'
import { startWorld, type World } from '../helpers/world.ts'

const LIMIT_MS = 120_000
const PATHS = 6
/** More than the depot keeps in memory. */
const LARGE = `derivation {
  name = "large"; system = builtins.currentSystem; builder = "/bin/sh"; PATH = "/usr/bin:/bin"; args = [ "-c" "seq 1 300000 > $out" ];
}`

for (const part of ['nix', 'nixNew'] as const) describeWith(part, `e2e/nix-verbs-build: ${part}`, () => suite(part))

/** `nix build` with the depot as the only substituter. */
function suite(part: 'nix' | 'nixNew'): void {
  const expression = closureExpression(PATHS, 'build')
  let pusher: NixClient
  let world: World
  let top: string
  const cache = (): string => `${world.url}/nix`

  beforeAll(async () => {
    pusher = await nixClientOf(part)
    ;[top = ''] = await pusher.build(expression)
    world = await startWorld()
    await pusher.push(`${cache()}?compression=zstd`, top)
  }, LIMIT_MS)
  afterAll(async () => {
    await world[Symbol.asyncDispose]()
    await pusher[Symbol.asyncDispose]()
  })

  /** Build it, or take it from there. */
  const build = async (nix: NixClient, from: string, ...args: readonly string[]): Promise<void> =>
    expect(await nix.build(expression, '--option', 'substituters', from, ...args)).toEqual([top])

  it(
    'announces what it would fetch, and fetches all of it and builds nothing',
    async () => {
      await using nix = await nixClientOf(part, world.publicKey)
      const only = ['--option', 'substituters', cache(), '--max-jobs', '0'] as const
      const plan = await nix.run('build', '--dry-run', '--impure', ...only, '--expr', expression)
      expect(plan).toContain(`these ${PATHS} paths will be fetched`)
      await build(nix, cache(), '--max-jobs', '0')
      expect((await nix.run('store verify', '-r', top)).match(/^checking /gm)).toHaveLength(PATHS)
    },
    LIMIT_MS,
  )

  it(
    'fetches a path that is named whole',
    async () => {
      await using nix = await nixClientOf(part, world.publicKey)
      await nix.run('build', '--no-link', '--option', 'substituters', cache(), '--max-jobs', '0', top)
      expect((await nix.run('store verify', '-r', top)).match(/^checking /gm)).toHaveLength(PATHS)
    },
    LIMIT_MS,
  )

  it(
    'does it for many at once',
    async () => {
      const clients = await Promise.all(Array.from({ length: 4 }, () => nixClientOf(part, world.publicKey)))
      await using all = new AsyncDisposableStack()
      for (const client of clients) all.use(client)
      await Promise.all(clients.map((client) => build(client, cache(), '--max-jobs', '0')))
    },
    LIMIT_MS,
  )

  it(
    'builds for itself what is signed by no key that it trusts',
    async () => {
      await using stranger = await nixClientOf(part)
      await using misled = await nixClientOf(part, `test-1:${Buffer.alloc(32, 7).toString('base64')}`)
      for (const nix of [stranger, misled]) {
        await using front = await startFront(world.url)
        await build(nix, `${front.url}/nix`)
        expect(front.exchanges.filter(({ path: at }) => at.includes('/nar/'))).toEqual([])
        expect(front.exchanges.filter(({ path: at }) => at.endsWith('.narinfo'))).not.toEqual([])
      }
    },
    LIMIT_MS,
  )

  it(
    'asks the depot before a cache of a higher number',
    async () => {
      await using depot = await startFront(world.url)
      await using later = await startFront(
        world.url,
        ({ url }) => (url?.endsWith('/nix-cache-info') === true ? 'edit' : undefined),
        (text) => text.replace(/^Priority: 30$/m, 'Priority: 40'),
      )
      await using nix = await nixClientOf(part, world.publicKey)
      await build(nix, `${later.url}/nix ${depot.url}/nix`, '--max-jobs', '0')
      const archives = [depot, later].map(({ exchanges }) => exchanges.filter((one) => one.path.includes('/nar/')))
      expect(archives.map(({ length }) => length)).toEqual([PATHS, 0])
    },
    LIMIT_MS,
  )

  it.each([
    ['takes it from the next cache', (next: string) => [next, '--max-jobs', '0'] as const],
    ['builds it', () => ['', '--max-jobs', '1'] as const],
  ])(
    'finds no archive where the file is damaged and %s, and the next push heals the depot',
    async (_, otherwise) => {
      await using damaged = await startWorld()
      await using front = await startFront(damaged.url)
      const at = `${front.url}/nix`
      const [output = ''] = await pusher.build(LARGE)
      for (const cache of [damaged.url, world.url]) await pusher.push(`${cache}/nix?compression=zstd`, output)
      await using nix = await nixClientOf(part, damaged.publicKey, world.publicKey)
      const remember = ['--option', 'narinfo-cache-positive-ttl', '3600'] as const
      await nix.run('path-info', '--store', at, ...remember, output)
      await truncate(await blobFileOf(damaged, output), 10)
      const [next, ...args] = otherwise(`${world.url}/nix`)
      const substituters = ['--option', 'substituters', `${at} ${next}`, ...remember] as const
      expect(await nix.build(LARGE, ...substituters, ...args)).toEqual([output])
      const asked = front.exchanges.filter((one) => one.path.includes('/nar/'))
      expect(new Set(asked.map(({ status }) => status))).toEqual(new Set([404]))

      await nix.push(`${at}?compression=zstd`, '--refresh', output)
      await using last = await nixClientOf(part, damaged.publicKey)
      expect(await last.build(LARGE, '--option', 'substituters', at, '--max-jobs', '0')).toEqual([output])
      expect(damaged.bugs).toEqual([])
    },
    LIMIT_MS,
  )

  it.each<[what: string, edit: (text: string) => string, RegExp]>([
    ['another NarHash', (text) => text.replace(/^(NarHash: sha256:).{2}/m, '$100'), /lacks a/],
    ['a reference less', (text) => text.replace(/^(References: )\S+ ?/m, '$1'), /lacks a|invalid|not valid/],
    ['no signature', (text) => text.replace(/^Sig: .*\n/m, ''), /lacks a/],
  ])(
    'takes nothing whose narinfo was altered on the way: %s',
    async (_, edit, told) => {
      const altered = ({ url }: { url?: string | undefined }) =>
        url?.endsWith(`${path.basename(top).slice(0, 32)}.narinfo`) === true ? 'edit' : undefined
      await using front = await startFront(world.url, altered, edit)
      await using nix = await nixClientOf(part, world.publicKey)
      expect(await nix.failure('copy', '--from', `${front.url}/nix`, '--to', nix.root, top)).toMatch(told)
    },
    LIMIT_MS,
  )

  it('ends in no bug', () => {
    expect(world.bugs).toEqual([])
  })
}

/** The file in which the depot keeps the archive of a path. */
async function blobFileOf(world: World, storePath: string): Promise<string> {
  const answer = await world.fetch(`/nix/${path.basename(storePath).slice(0, 32)}.narinfo`)
  const { narHash } = parseNarinfo(await answer.text())
  const files = await readdir(path.join(world.dir, 'blobs'), { recursive: true })
  return path.join(world.dir, 'blobs', files.find((file) => path.basename(file) === narHash) ?? '')
}
