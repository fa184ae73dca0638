import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { createWriteStream } from 'node:fs'
import { mkdir, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { promisify } from 'node:util'

import { afterAll, beforeAll, describe, expect, it } from 'vitest'

import { parseNarinfo } from '../../protocols/nix/narinfo.ts'
import { describeWith } from '../helpers/have.ts'
import { closureExpression, nixClientOf, type NixClient } from '../helpers/nix-client.ts'
import { startServerProcess } from '../helpers/server-process.ts'
import { startWorld, type World } from '../helpers/world.ts'

const PATHS = 25
const run = promisify(execFile)

for (const part of ['nix', 'nixNew'] as const) describeWith(part, `e2e/${part} local store`, () => suite(part))

function suite(part: 'nix' | 'nixNew'): void {
  let owner: NixClient
  let world: World
  let top: string
  let cache: string

  beforeAll(async () => {
    owner = await nixClientOf(part)
    const [built = ''] = await owner.build(closureExpression(PATHS, 'local'))
    top = built
    world = await startWorld({ settings: { 'nix-store': owner.root } })
    cache = `${world.url}/nix`
  }, 120_000)
  afterAll(async () => {
    await world[Symbol.asyncDispose]()
    await owner[Symbol.asyncDispose]()
  })

  const inStore = (storePath: string): string => path.join(owner.root, storePath)
  const namesOf = async (client: NixClient): Promise<string> => client.run('path-info', '-rsS', top)
  const narinfoOf = async (storePath: string) =>
    parseNarinfo(await (await fetch(`${cache}/${path.basename(storePath).slice(0, 32)}.narinfo`)).text())

  async function addFile(name: string, content: Uint8Array | string): Promise<string> {
    const folder = path.join(owner.root, '..', 'files')
    await mkdir(folder, { recursive: true })
    await writeFile(path.join(folder, name), content)
    // Behind it may stand that its database was busy: others add at the same time.
    const [storePath = ''] = (await owner.run('store add-file', path.join(folder, name))).split('\n')
    return storePath
  }

  describe('a closure of the store', () => {
    it('installs elsewhere with its signatures checked, and verifies', async () => {
      await using puller = await nixClientOf(part, world.publicKey)
      await puller.pull(cache, top)
      expect((await puller.run('store verify', '-r', top)).match(/^checking /gm)).toHaveLength(PATHS)
      expect(await puller.run('path-info', '-r', '--sigs', top)).toMatch(/depot-[0-9a-f]{8}-1:/)
      expect(sorted(await namesOf(puller))).toEqual(sorted(await namesOf(owner)))
      expect((await world.depot.kv.blobs(undefined, 10)).length).toBe(0)
    }, 120_000)

    it('is refused to a client that does not trust the key', async () => {
      await using stranger = await nixClientOf(part)
      expect(await stranger.failure('copy', '--from', cache, '--to', stranger.root, top)).toContain('lacks a')
    }, 120_000)

    it('has the archives that nix-store --dump writes', async () => {
      const closure = (await owner.run('path-info', '-r', top)).trim().split('\n')
      expect(closure).toHaveLength(PATHS)
      for (const storePath of closure) {
        const { url } = await narinfoOf(storePath)
        const served = Buffer.from(await (await fetch(`${cache}/${url}`)).arrayBuffer())
        expect(served.equals(await dumped(inStore(storePath)))).toBe(true)
      }
    }, 120_000)

    it('is built from by a client that has the depot as its only substituter, and looked into', async () => {
      await using builder = await nixClientOf(part, world.publicKey)
      const built = await builder.build(
        closureExpression(PATHS, 'local'),
        '--option',
        'substituters',
        cache,
        '--option',
        'trusted-public-keys',
        world.publicKey,
        '--max-jobs',
        '0',
      )
      expect(built).toEqual([top])
    }, 120_000)

    it('is not sent by a client that pushes, and what refers to it is taken', async () => {
      await using other = await nixClientOf(part, world.publicKey)
      await other.pull(cache, top)
      const [above = ''] = await other.build(closureExpression(PATHS + 1, 'local'))
      await other.push(`${cache}?compression=zstd`, above)
      expect((await world.depot.kv.blobs(undefined, 10)).length).toBe(1)
      await using third = await nixClientOf(part, world.publicKey)
      await third.pull(cache, above)
      expect((await third.run('store verify', '-r', above)).match(/^checking /gm)).toHaveLength(PATHS + 1)
    }, 120_000)
  })

  describe('what changes under the server', () => {
    it('is cut when it was tampered with, so that nobody installs it', async () => {
      const file = await addFile('tampered', Buffer.alloc(400_000, 'good '))
      await run('chmod', ['u+w', inStore(file)])
      await writeFile(inStore(file), Buffer.alloc(400_000, 'evil '))
      await using puller = await nixClientOf(part, world.publicKey)
      await puller.failure('copy', '--from', cache, '--to', puller.root, '--option', 'download-attempts', '1', file)
      await expect.poll(() => world.cuts.at(-1)).toContain(`${file} of the local store is not`)
    }, 120_000)

    it('is 404 once garbage collection took it, and what is invalid is 404 though it lies there', async () => {
      const file = await addFile('garbage', 'garbage')
      const kept = await addFile('kept', 'kept')
      const [garbage, narinfo] = [await narinfoOf(file), `${cache}/${path.basename(file).slice(0, 32)}.narinfo`]
      await owner.run('store delete', file)
      expect([(await fetch(narinfo)).status, (await fetch(`${cache}/${garbage.url}`)).status]).toEqual([404, 404])
      await writeFile(inStore(file), 'garbage')
      expect([(await fetch(narinfo)).status, (await fetch(`${cache}/${garbage.url}`)).status]).toEqual([404, 404])
      expect((await fetch(`${cache}/${(await narinfoOf(kept)).url}`)).status).toBe(200)
    }, 120_000)

    it('never ends short while garbage is collected: an archive is whole, cut, or not there', async () => {
      const files = await Promise.all(
        Array.from({ length: 12 }, (_, index) =>
          addFile(`heap-${part}-${index}`, Buffer.alloc(2_000_000, `${index} `)),
        ),
      )
      const found = await Promise.all(files.map(narinfoOf))
      let collecting = true
      const outcomes = new Set<string>()
      const readAll = async (): Promise<void> => {
        for (const { url, narHash } of found) outcomes.add(await outcomeOf(`${cache}/${url}`, narHash))
      }
      const reading = (async () => {
        while (collecting) await readAll()
      })()
      await owner.run('store gc')
      collecting = false
      await reading
      await readAll()
      expect([...outcomes].filter((outcome) => !['whole', 'cut', 'absent'].includes(outcome))).toEqual([])
      expect(outcomes).toContain('absent')
      expect(world.bugs).toEqual([])
    }, 120_000)
  })
}

async function outcomeOf(url: string, narHash: string): Promise<string> {
  const answer = await fetch(url)
  const body = await answer.arrayBuffer().catch(() => undefined)
  if (answer.status === 404) return 'absent'
  if (answer.status !== 200) return String(answer.status)
  if (body === undefined) return 'cut'
  const hash = createHash('sha256').update(Buffer.from(body)).digest('hex')
  return hash === narHash ? 'whole' : 'another archive that looks whole'
}

async function dumped(file: string): Promise<Buffer> {
  const options = { encoding: 'buffer', maxBuffer: 64 * 1024 * 1024 } as const
  return (await run('nix-store', ['--dump', file], options)).stdout
}

function sorted(lines: string): readonly string[] {
  return lines.trim().split('\n').toSorted()
}

describeWith('nix', 'e2e/nix a file of 1 GiB in the local store', () => {
  it('is sent whole', async () => {
    await using owner = await nixClientOf('nix')
    await mkdir(path.join(owner.root, '..'), { recursive: true })
    const large = path.join(owner.root, '..', 'large')
    await written(large, 1024)
    const storePath = (await owner.run('store add-file', large)).trim()
    await using server = await startServerProcess({ args: ['--nix-store', owner.root] })
    const name = path.basename(storePath).slice(0, 32)
    const narinfo = parseNarinfo(await (await fetch(`${server.url}/nix/${name}.narinfo`)).text())
    const hash = createHash('sha256')
    for await (const piece of (await fetch(`${server.url}/nix/${narinfo.url}`)).body ?? [])
      hash.update(piece as Uint8Array)
    expect(hash.digest('hex')).toBe(narinfo.narHash)
  }, 120_000)
})

async function written(file: string, mebibytes: number): Promise<void> {
  const target = createWriteStream(file)
  for (let at = 0; at < mebibytes; at++)
    if (!target.write(Buffer.alloc(1024 * 1024, `${at} `))) await once(target, 'drain')
  target.end()
  await once(target, 'close')
}
