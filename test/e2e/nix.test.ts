import { mkdir, writeFile } from 'node:fs/promises'
import path from 'node:path'

import { afterAll, beforeAll, describe, expect, it } from 'vitest'

import { parseNarinfo } from '../../protocols/nix/narinfo.ts'
import { fsck } from '../../src/fsck.ts'
import { startFront } from '../helpers/front.ts'
import { describeWith } from '../helpers/have.ts'
import { addressedExpression, closureExpression, nixClientOf, type NixClient } from '../helpers/nix-client.ts'
import { startWorld, type World } from '../helpers/world.ts'

const PATHS = 50

for (const part of ['nix', 'nixNew'] as const) describeWith(part, `e2e/${part}`, () => suite(part))

function suite(part: 'nix' | 'nixNew'): void {
  const nixClient = (...trustedKeys: readonly string[]): Promise<NixClient> => nixClientOf(part, ...trustedKeys)
  let pusher: NixClient
  let top: string

  beforeAll(async () => {
    pusher = await nixClient()
    const [built = ''] = await pusher.build(closureExpression(PATHS, 'closure'))
    top = built
  }, 120_000)
  afterAll(() => pusher[Symbol.asyncDispose]())

  describe.each(['none', 'gzip', 'xz', 'bzip2', 'zstd', 'br'])(
    'a closure pushed with compression=%s',
    (compression) => {
      let world: World
      const mount = compression === 'none' || compression === 'xz' ? '' : '/nix'
      const cache = (): string => `${world.url}${mount}`

      beforeAll(async () => {
        world = await startWorld()
        await pusher.push(`${cache()}?compression=${compression}`, top)
      }, 120_000)
      afterAll(() => world[Symbol.asyncDispose]())

      it('installs elsewhere with its signatures checked, and verifies', async () => {
        await using puller = await nixClient(await publicKeyOf(world))
        await puller.pull(cache(), top)
        const verified = await puller.run('store verify', '-r', top)
        expect(verified.match(/^checking /gm)).toHaveLength(PATHS)
        expect(await puller.run('path-info', '-r', '--sigs', top)).toMatch(/depot-[0-9a-f]{8}-1:/)
        const [before, after] = await Promise.all([pusher, puller].map((nix) => nix.run('path-info', '-rsS', top)))
        expect(sizesOf(after)).toEqual(sizesOf(before))
      }, 120_000)

      it('is not pushed again by a client that has never seen the cache', async () => {
        const before = await recordsOf(world)
        await using other = await nixClient(await publicKeyOf(world))
        await other.pull(cache(), top)
        await other.push(`${cache()}?compression=${compression}`, top)
        expect(await recordsOf(world)).toEqual(before)
      }, 120_000)

      it('leaves a whole store', async () => {
        const findings = await Array.fromAsync(fsck({ blobs: world.depot.blobs, kv: world.depot.kv, full: true }))
        expect(findings.filter(({ severity }) => severity === 'error')).toEqual([])
        expect(world.bugs).toEqual([])
      })
    },
  )

  describe('one cache', () => {
    let world: World

    beforeAll(async () => {
      world = await startWorld()
    })
    afterAll(() => world[Symbol.asyncDispose]())

    it('takes every compression of one closure as the same archives', async () => {
      const [target = ''] = await pusher.build(closureExpression(3, 'again'))
      const blobs: number[] = []
      for (const compression of ['zstd', 'gzip', 'xz', 'bzip2', 'br', 'none']) {
        await forgetNarinfos(world)
        await using fresh = await nixClient()
        await copyStore(pusher, fresh, target)
        await fresh.push(`${world.url}/nix?compression=${compression}`, target)
        blobs.push((await world.depot.kv.blobs(undefined, 100)).length)
      }
      expect(new Set(blobs)).toEqual(new Set([3]))
      const uploads = await Array.fromAsync(world.depot.all(await main(world), 'nix-upload'))
      // The last push sent no archive: `<NarHash>.nar` was there already.
      expect(uploads).toHaveLength(15)
    }, 120_000)

    it('is refused without its key, with another key, and by a store that is elsewhere', async () => {
      await pusher.push(`${world.url}/nix?compression=zstd`, top)
      await using stranger = await nixClient()
      await using misled = await nixClient(`test-1:${Buffer.alloc(32, 7).toString('base64')}`)
      for (const { failure, root } of [stranger, misled])
        expect(await failure('copy', '--from', `${world.url}/nix`, '--to', root, top)).toContain('lacks a')
    }, 120_000)

    it('holds paths that are named by their content, also those that name themselves', async () => {
      const built = await pusher.build(addressedExpression('content'))
      const folder = path.join(pusher.root, '..', 'tree')
      await mkdir(folder, { recursive: true })
      await writeFile(path.join(folder, 'file'), 'a tree')
      const tree = (await pusher.run('store add-path', folder)).trim()
      const flat = (await pusher.run('store add-file', path.join(folder, 'file'))).trim()
      const all = [...built, tree, flat].filter((name) => name.startsWith('/nix/store/'))
      expect(all).toHaveLength(3)
      await pusher.push(`${world.url}/nix?compression=zstd`, ...all)
      await using stranger = await nixClient()
      await stranger.pull(`${world.url}/nix`, ...all)
      expect(await stranger.run('path-info', '--json', ...all)).toContain('fixed:r:sha256:')
    }, 120_000)

    it('serves derivations, lists and single files', async () => {
      const [target = ''] = await pusher.build(closureExpression(2, 'files'))
      const derivation = (await pusher.run('path-info', '--derivation', target)).trim()
      await pusher.push(`${world.url}/nix?compression=zstd`, target)
      await pusher.push(`${world.url}/nix?compression=zstd`, '--derivation', derivation)
      const from = `${world.url}/nix`
      await using reader = await nixClient(await publicKeyOf(world))
      const list = await reader.run('store ls', '--store', from, '-R', target)
      expect(list).toContain('./bin/run')
      expect(await reader.run('store cat', '--store', from, `${target}/bin/run`)).toContain('echo pkg1-1.0')
      expect(await reader.run('path-info', '--store', from, '-rsS', '--derivation', derivation)).toContain(
        'pkg0-1.0.drv',
      )
    }, 120_000)

    it('keeps the first of two builds that differ and tells the second why', async () => {
      const expression = `derivation { name = "clock"; system = builtins.currentSystem; builder = "/bin/sh"; PATH = "/usr/bin:/bin"; args = [ "-c" "date +%s%N > $out" ]; }`
      await using one = await nixClient()
      await using two = await nixClient()
      const [first = ''] = await one.build(expression)
      const [second = ''] = await two.build(expression)
      expect(second).toBe(first)
      await one.push(`${world.url}/nix`, first)
      // As if both had asked before either had sent: the second one's question was answered with 404.
      await using front = await startFront(world.url, (request) =>
        request.url?.endsWith('.narinfo') === true && request.method !== 'PUT' ? 404 : undefined,
      )
      const told = await two.failure('copy', '--from', two.root, '--to', `${front.url}/nix`, second)
      expect(told).toMatch(/409|Conflict/)
      expect(told).toContain('not reproducible')
    }, 120_000)

    it.each(['lz4', 'lzip'])(
      'refuses %s and tells its user what to do',
      async (compression) => {
        const [target = ''] = await pusher.build(closureExpression(1, compression))
        const told = await pusher.failure(
          'copy',
          '--from',
          pusher.root,
          '--to',
          `${world.url}/nix?compression=${compression}`,
          target,
        )
        expect(told).toContain(`compressed with ${compression}`)
        expect(told).toContain('?compression=zstd')
        expect(world.bugs).toEqual([])
      },
      120_000,
    )

    it('lets a download that was cut go on where it ended', async () => {
      const folder = path.join(pusher.root, '..', 'large')
      await mkdir(folder, { recursive: true })
      await writeFile(path.join(folder, 'data'), Buffer.from(Array.from({ length: 3_000_000 }, (_, n) => (n * n) >> 7)))
      const large = (await pusher.run('store add-path', folder)).trim()
      await pusher.push(`${world.url}/nix?compression=zstd`, large)
      const ranges: string[] = []
      let cuts = 1
      await using front = await startFront(world.url, (request) => {
        if (request.url?.includes('/nar/') !== true) return undefined
        if (request.headers.range !== undefined) ranges.push(request.headers.range)
        return cuts-- > 0 ? 'cut' : undefined
      })
      await using puller = await nixClient()
      expect(await puller.pull(`${front.url}/nix`, large)).toMatch(/retrying from offset [1-9]/)
      await puller.run('store verify', large)
      expect(ranges).toEqual([expect.stringMatching(/^bytes=[1-9]\d+-$/)])
    }, 120_000)
  })

  it.each(['xz', 'gzip', 'zstd', 'br', 'none'])(
    'gives the pusher of %s its own archive back under the name it knows',
    async (compression) => {
      await using world = await startWorld()
      const [target = ''] = await pusher.build(closureExpression(2, 'names'))
      await pusher.push(`${world.url}/nix?compression=${compression}`, target)
      // What the pusher remembers for 30 days: the narinfo as it wrote it.
      const uploads = await Array.fromAsync(world.depot.all(await main(world), 'nix-upload'))
      const byNarHash = new Map(
        uploads.map(({ key, value }) => [(JSON.parse(value) as { narHash: string }).narHash, key]),
      )
      await using front = await startFront(
        world.url,
        (request) => (request.url?.endsWith('.narinfo') === true ? 'edit' : undefined),
        (text) => {
          const { narHash } = parseNarinfo(text)
          return text
            .replace(/^URL: .*$/m, `URL: nar/${byNarHash.get(narHash) ?? ''}`)
            .replace(/^Compression: .*$/m, `Compression: ${compression}`)
        },
      )
      await using puller = await nixClient(await publicKeyOf(world))
      await puller.pull(`${front.url}/nix`, target)
      expect((await puller.run('store verify', '-r', target)).match(/^checking /gm)).toHaveLength(2)
    },
    120_000,
  )
}

async function publicKeyOf(world: World): Promise<string> {
  const info = await (await world.fetch('/nix/nix-cache-info')).text()
  return /^PublicKey: (?<key>.+)$/m.exec(info)?.groups?.['key'] ?? ''
}

async function main({ depot }: World) {
  const cache = await depot.kv.cache('main')
  if (cache === undefined) throw new Error('no main cache')
  return cache
}

/** Every record of Nix with its version: what a push changes. */
async function recordsOf(world: World): Promise<readonly string[]> {
  const cache = await main(world)
  const kinds = ['nix-path', 'nix-upload']
  const records = await Promise.all(kinds.map((kind) => Array.fromAsync(world.depot.all(cache, kind))))
  return records.flat().map(({ key, version }) => `${key} ${version}`)
}

async function forgetNarinfos(world: World): Promise<void> {
  const cache = await main(world)
  const known = await Array.fromAsync(world.depot.all(cache, 'nix-path'))
  await world.depot.commit(cache, { deletes: known.map(({ key }) => ({ kind: 'nix-path', key })) })
}

async function copyStore(from: NixClient, to: NixClient, target: string): Promise<void> {
  await from.run('copy', '--no-check-sigs', '--to', to.root, target)
}

function sizesOf(listing = ''): string[] {
  return listing.split('\n').sort()
}
