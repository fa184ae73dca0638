import { rename } from 'node:fs/promises'
import path from 'node:path'

import { afterAll, beforeAll, describe, expect, it } from 'vitest'

import { describeWith } from '../helpers/have.ts'
import { closureExpression, nixClient, nixClientOf, type NixClient } from '../helpers/nix-client.ts'
import { runDepot } from '../helpers/run-depot.ts'
import { startServerProcess } from '../helpers/server-process.ts'
import { tempDir, type TempDir } from '../helpers/temp-dir.ts'
import { startWorld, type World } from '../helpers/world.ts'

const PATHS = 4
const TIME_MS = 120_000

interface Key {
  readonly name: string
  readonly file: string
  readonly publicKey: string
}

describeWith('nix', 'e2e/nix-signatures: the nix of the host', () => signatures('nix'))
describeWith(['nix', 'nixNew'], 'e2e/nix-signatures: a newer nix', () => signatures('nixNew'))

/** What holds for every version; built with the host's, because the newer one cannot build without a root of its own. */
function signatures(part: 'nix' | 'nixNew'): void {
  let home: TempDir
  let pusher: NixClient
  let top: string
  let one: Key
  let two: Key
  let friend: Key

  beforeAll(async () => {
    home = await tempDir('signatures')
    ;[one, two, friend] = await Promise.all([newKey('one-1'), newKey('two-1'), newKey('friend-1')])
    await using builder = await nixClient()
    const [built = ''] = await builder.build(closureExpression(PATHS, part))
    top = built
    pusher = await nixClientOf(part)
    await builder.run('copy', '--no-check-sigs', '--to', pusher.root, top)
  }, TIME_MS)
  afterAll(async () => {
    await pusher[Symbol.asyncDispose]()
    await home[Symbol.asyncDispose]()
  })

  async function newKey(name: string): Promise<Key> {
    const file = home.join(`${name}.key`)
    const { stdout } = await runDepot(['key', 'generate', '--name', name, '--output', file])
    return { name, file, publicKey: stdout.trim() }
  }

  /** A client with the closure and no signature of it, which may then sign as it likes. */
  async function signer(): Promise<NixClient> {
    const client = await nixClientOf(part)
    await pusher.run('copy', '--no-check-sigs', '--to', client.root, top)
    return client
  }

  /** Names of the keys that signed each path there, sorted. */
  async function signers(client: NixClient, store: string): Promise<readonly (readonly string[])[]> {
    const listing = await client.run('path-info', '--store', store, '-r', '--sigs', top)
    return listing
      .split('\n')
      .filter((line) => line.startsWith('/nix/store/'))
      .map((line) =>
        [...line.matchAll(/(?<name>[a-z0-9-]+):[A-Za-z0-9+/]{86}==/g)].map(({ groups }) => groups?.['name'] ?? ''),
      )
      .map((names) => names.sort())
  }

  const everyPath = (...names: readonly string[]): readonly (readonly string[])[] =>
    Array.from({ length: PATHS }, () => names)

  describe('a depot with two keys', () => {
    let world: World
    const cache = (): string => `${world.url}/nix`

    beforeAll(async () => {
      world = await startWorld({ settings: { 'private-key': [one.file, two.file] } })
      await pusher.push(`${cache()}?compression=zstd`, top)
    }, TIME_MS)
    afterAll(() => world[Symbol.asyncDispose]())

    it('signs every path with both, as nix path-info --sigs shows', async () => {
      expect(await signers(pusher, cache())).toEqual(everyPath('one-1', 'two-1'))
    })

    it.each(['one', 'two'] as const)(
      'is trusted by a client that trusts key %s alone',
      async (which) => {
        await using puller = await nixClientOf(part, { one, two }[which].publicKey)
        await puller.pull(cache(), top)
        expect(await puller.run('store verify', '-r', '--sigs-needed', '1', top)).not.toContain('untrusted')
        const told = await puller.failure('store', 'verify', '--store', puller.root, '-r', '--sigs-needed', '2', top)
        expect(told).toContain('untrusted')
      },
      TIME_MS,
    )

    it(
      'gives two good signatures to nix store verify',
      async () => {
        await using puller = await nixClientOf(part, one.publicKey)
        await puller.pull(cache(), top)
        const keys = `${one.publicKey} ${two.publicKey}`
        await puller.run('store verify', '-r', '--sigs-needed', '2', '--trusted-public-keys', keys, top)
      },
      TIME_MS,
    )

    it(
      'lends its signatures to nix store copy-sigs',
      async () => {
        await using local = await signer()
        expect(await signers(local, local.root)).toEqual(everyPath())
        await local.run('store copy-sigs', '--substituter', cache(), '-r', top)
        expect(await signers(local, local.root)).toEqual(everyPath('one-1', 'two-1'))
      },
      TIME_MS,
    )

    it(
      'drops signatures of keys that it was not told to trust',
      async () => {
        await using local = await signer()
        await local.run('store sign', '--key-file', friend.file, '-r', top)
        await local.run('store sign', '--store', cache(), '--key-file', friend.file, '-r', top)
        await using other = await nixClientOf(part)
        expect(await signers(other, cache())).toEqual(everyPath('one-1', 'two-1'))
      },
      TIME_MS,
    )
  })

  describe('a depot that trusts a key', () => {
    let world: World
    const cache = (): string => `${world.url}/nix`

    beforeAll(async () => {
      world = await startWorld({ settings: { 'private-key': one.file, 'trusted-public-key': friend.publicKey } })
    })
    afterAll(() => world[Symbol.asyncDispose]())

    it(
      'keeps its signatures, so that a client which trusts nobody else installs',
      async () => {
        await using local = await signer()
        await local.run('store sign', '--key-file', friend.file, '-r', top)
        await local.push(`${cache()}?compression=zstd`, top)
        await using puller = await nixClientOf(part, friend.publicKey)
        await puller.pull(cache(), top)
        expect(await signers(puller, cache())).toEqual(everyPath('friend-1', 'one-1'))
      },
      TIME_MS,
    )

    it(
      'takes them later too, when somebody signs what it holds',
      async () => {
        await using later = await startWorld({
          settings: { 'private-key': one.file, 'trusted-public-key': [two.publicKey, friend.publicKey] },
        })
        const there = `${later.url}/nix`
        await pusher.push(`${there}?compression=zstd`, top)
        for (const key of [friend, two, two]) {
          await using local = await nixClientOf(part)
          await local.run('store sign', '--store', there, '--key-file', key.file, '-r', top)
        }
        await using reader = await nixClientOf(part)
        expect(await signers(reader, there)).toEqual(everyPath('friend-1', 'one-1', 'two-1'))
        expect(later.bugs).toEqual([])
      },
      TIME_MS,
    )

    it(
      'takes nothing without them when it is told so, and says what to do',
      async () => {
        await using strict = await startWorld({
          settings: { 'trusted-public-key': friend.publicKey, 'require-trusted-signature': 'true' },
        })
        const to = `${strict.url}/nix?compression=zstd`
        await using local = await signer()
        const told = await local.failure('copy', '--from', local.root, '--to', to, top)
        expect(told).toContain('only with a signature of friend-1 that is good')
        await local.run('store sign', '--key-file', friend.file, '-r', top)
        await using puller = await nixClientOf(part, friend.publicKey)
        await local.push(to, top)
        await puller.pull(`${strict.url}/nix`, top)
      },
      TIME_MS,
    )
  })

  it(
    'changes its key: clients of the old and of the new one install, and in the end those of the new one alone',
    async () => {
      const dataDir = home.join('rotated')
      const keys: string[] = []
      {
        await using server = await startServerProcess({ dataDir })
        await pusher.push(`${server.url}/nix?compression=zstd`, top)
        keys.push((await runDepot(['key', 'list', '--store-path', dataDir])).stdout.split(' ')[0] ?? '')
        keys.push((await runDepot(['key', 'rotate', '--store-path', dataDir])).stdout.trim())
      }
      const [old = '', next = ''] = keys
      {
        await using server = await startServerProcess({ dataDir })
        for (const trusted of [old, next]) {
          await using puller = await nixClientOf(part, trusted)
          await puller.pull(`${server.url}/nix`, top)
          await puller.run('store verify', '-r', '--sigs-needed', '1', top)
        }
      }
      await rename(path.join(dataDir, 'signing.key'), home.join('signing.key.old'))
      await using server = await startServerProcess({ dataDir })
      await using late = await nixClientOf(part, old)
      expect(await late.failure('copy', '--from', `${server.url}/nix`, '--to', late.root, top)).toContain('lacks a')
      await using puller = await nixClientOf(part, next)
      await puller.pull(`${server.url}/nix`, top)
      await puller.run('store verify', '-r', '--sigs-needed', '1', top)
    },
    TIME_MS,
  )
}
