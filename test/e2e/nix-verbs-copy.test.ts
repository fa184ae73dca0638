import { randomBytes } from 'node:crypto'
import { mkdir, symlink, writeFile } from 'node:fs/promises'
import path from 'node:path'

import { afterAll, beforeAll, expect, it } from 'vitest'

import { startFront, type Exchange } from '../helpers/front.ts'
import { describeWith } from '../helpers/have.ts'
import { closureExpression, nixClientOf, type NixClient } from '../helpers/nix-client.ts'
import { storedFiles } from '../helpers/stored-files.ts'
import { startWorld, type World } from '../helpers/world.ts'

const LIMIT_MS = 120_000

for (const part of ['nix', 'nixNew'] as const) describeWith(part, `e2e/nix-verbs-copy: ${part}`, () => suite(part))

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

  const built = async (count: number, seed: string): Promise<string> =>
    (await pusher.build(closureExpression(count, seed)))[0] ?? ''
  /** A folder below the client's home, as a path of its store. */
  async function added(name: string, fill: (folder: string) => Promise<unknown>): Promise<string> {
    const folder = path.join(pusher.root, '..', 'added', name)
    await mkdir(folder, { recursive: true })
    await fill(folder)
    return (await pusher.run('store add-path', folder)).trim()
  }

  it(
    'nix copy sends each path, references first: HEAD and PUT of the archive, PUT of the narinfo; what comes back is not compressed on the way',
    async () => {
      const top = await built(3, 'order')
      const closure = (await pusher.run('path-info', '-r', top)).trim().split('\n').map(hashOf)
      await using front = await startFront(world.url)
      await pusher.push(`${front.url}/nix?compression=none`, top)
      const puts = front.exchanges.filter(({ method }) => method === 'PUT')
      expect(new Set(puts.map(({ status }) => status))).toEqual(new Set([201]))
      expect(puts.map(kindOf)).toEqual(['nar', 'narinfo', 'nar', 'narinfo', 'nar', 'narinfo'])
      const sent = puts.flatMap(({ path: at }) => /(?<hash>\w{32})\.narinfo$/.exec(at)?.groups?.['hash'] ?? [])
      expect(new Set(sent)).toEqual(new Set(closure))
      expect(sent.at(-1)).toBe(hashOf(top))
      const heads = front.exchanges.filter(({ method, path: at }) => method === 'HEAD' && at.includes('/nar/'))
      expect(heads.map(({ status }) => status)).toEqual([404, 404, 404])
      for (const { sent: headers } of puts) expect(headers['content-length']).toMatch(/^[1-9]\d*$/)

      // The newer one asks for compressed transfers, of everything; a cut download could then not go on where it ended.
      front.exchanges.length = 0
      await using puller = await nixClientOf(part, world.publicKey)
      await puller.pull(`${front.url}/nix`, top)
      const archives = front.exchanges.filter((one) => one.path.includes('/nar/'))
      expect(archives.map(({ sent }) => sent['accept-encoding'] !== undefined)).toEqual(Array(3).fill(part !== 'nix'))
      for (const { answered } of archives) {
        expect(answered).toMatchObject({
          'accept-ranges': 'bytes',
          'content-length': expect.stringMatching(/^\d+$/) as unknown,
        })
        expect(answered['content-encoding']).toBeUndefined()
      }
    },
    LIMIT_MS,
  )

  it.each([
    'compression=xz&parallel-compression=true',
    'compression=zstd&parallel-compression=true',
    'compression=zstd&compression-level=19',
    'compression=xz&compression-level=0',
    'compression=gzip&compression-level=1',
    'compression=br&compression-level=1',
    'narinfo-compression=gzip&ls-compression=gzip&log-compression=gzip&write-nar-listing=1',
    'want-mass-query=true&priority=5',
  ])(
    'nix copy may add %s to the URL',
    async (setting) => {
      const seed = setting.replaceAll(/[^a-z0-9]/g, '')
      const [top, large] = [
        await built(2, seed),
        await added(seed, (at) => writeFile(path.join(at, 'data'), Buffer.alloc(3_000_000, seed))),
      ]
      await using front = await startFront(world.url)
      await pusher.push(`${front.url}/nix?${setting}`, top, large)
      // Only later versions than these two compress what is no archive.
      expect(new Set(front.exchanges.map(({ sent }) => sent['content-encoding']))).toEqual(new Set([undefined]))
      await using puller = await nixClientOf(part, world.publicKey)
      await puller.pull(cache(), top, large)
      expect((await puller.run('store verify', '-r', top, large)).match(/^checking /gm)).toHaveLength(3)
    },
    LIMIT_MS,
  )

  it(
    'nix copy --all sends the whole store, and an archive that is here already is not sent by anybody again',
    async () => {
      await using from = await nixClientOf(part)
      await from.build(closureExpression(4, 'all'))
      await from.run('copy', '--all', '--to', `${cache()}?compression=none`)
      const all = (await from.run('path-info', '--all')).trim().split('\n')
      expect(all).toHaveLength(8)
      for (const one of all) expect((await world.fetch(`/nix/${hashOf(one)}.narinfo`)).status).toBe(200)
      // As if another had pushed it at this moment.
      await using front = await startFront(world.url, ({ method, url }) =>
        method !== 'PUT' && url?.endsWith('.narinfo') === true ? 404 : undefined,
      )
      const leaf = all.find((one) => one.endsWith('-pkg0-1.0')) ?? ''
      await from.push(`${front.url}/nix?compression=none`, leaf)
      const sent = front.exchanges.filter(({ method }) => method === 'PUT')
      expect(sent.map(({ path: at, status }) => [at, status])).toEqual([[`/nix/${hashOf(leaf)}.narinfo`, 200]])
    },
    LIMIT_MS,
  )

  it(
    'nix copy --derivation carries what to build, and another machine builds it',
    async () => {
      const top = await built(3, 'derivation')
      const drv = (await pusher.run('path-info', '--derivation', top)).trim()
      await pusher.push(`${cache()}?compression=zstd`, '--derivation', drv)
      await using builder = await nixClientOf(part)
      await builder.pull(cache(), '--derivation', drv)
      expect(await builder.failure('path-info', '--store', builder.root, top)).toContain('is not valid')
      await builder.run('build', '--no-link', part === 'nix' ? drv : `${drv}^*`)
      expect(await builder.run('path-info', top)).toContain(top)
    },
    LIMIT_MS,
  )

  it(
    'an upload that is cut in half leaves nothing, and the same nix copy gets through when it is run again',
    async () => {
      const large = await added('cut', (at) => writeFile(path.join(at, 'data'), randomBytes(2_000_000)))
      let cuts = 1
      await using front = await startFront(world.url, ({ method, url }) =>
        method === 'PUT' && url?.includes('/nar/') === true && cuts-- > 0 ? 'hang up' : undefined,
      )
      const before = await storedFiles(world.dir)
      const copy = ['copy', '--from', pusher.root, '--to', `${front.url}/nix?compression=none`, large] as const
      // By itself Nix tries again without the bytes that it has sent: that fails, with 2.8 after the five minutes of a stalled transfer.
      const soon = { 'download-attempts': '2', 'stalled-download-timeout': '3' }
      const told = await pusher.failure(...copy, ...Object.entries(soon).flatMap((pair) => ['--option', ...pair]))
      expect(told).toContain('unable to upload')
      // The depot notices by itself that it was cut.
      await expect.poll(() => storedFiles(world.dir)).toEqual(before)
      await pusher.run(...copy)
      await using puller = await nixClientOf(part)
      await puller.pull(cache(), large)
      await puller.run('store verify', large)
      const heads = front.exchanges.filter(({ method, path: at }) => method === 'HEAD' && at.includes('/nar/'))
      expect(heads.map(({ status }) => status)).toEqual([404, 404])
    },
    LIMIT_MS,
  )

  it(
    'carries programs, links, empty folders and names of any letters, and nix store dump-path shows the same bytes',
    async () => {
      const tree = await added('c++-tree_1.0=a', async (at) => {
        await mkdir(path.join(at, 'empty'))
        await writeFile(path.join(at, 'run +'), '#!/bin/sh\n', { mode: 0o755 })
        await writeFile(path.join(at, 'größe 100%?&#'), 'x')
        await symlink('../run +', path.join(at, 'empty', 'link'))
      })
      await pusher.push(`${cache()}?compression=gzip`, tree)
      const dumped = await pusher.run('store dump-path', tree)
      expect(await pusher.run('store dump-path', '--store', cache(), tree)).toBe(dumped)
      await using puller = await nixClientOf(part)
      await puller.pull(cache(), tree)
      expect(await puller.run('store dump-path', tree)).toBe(dumped)
    },
    LIMIT_MS,
  )

  it('ends in no bug', () => {
    expect(world.bugs).toEqual([])
  })
}

function kindOf({ path: at }: Exchange): string {
  return at.includes('/nar/') ? 'nar' : (at.split('.').at(-1) ?? '')
}

function hashOf(storePath: string): string {
  return storePath.slice('/nix/store/'.length, '/nix/store/'.length + 32)
}
