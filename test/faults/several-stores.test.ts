import { randomBytes } from 'node:crypto'
import { rm, writeFile } from 'node:fs/promises'
import process from 'node:process'
import { setTimeout as sleep } from 'node:timers/promises'

import { describe, expect, it } from 'vitest'

import { describeWith } from '../helpers/have.ts'
import { servesFile, uploadFile } from '../helpers/python-upload.ts'
import { runDepot } from '../helpers/run-depot.ts'
import { SEED } from '../helpers/seed.ts'
import { startServerProcess } from '../helpers/server-process.ts'
import { filesIn } from '../helpers/several-stores.ts'
import { fillUp, smallVolume } from '../helpers/small-volume.ts'
import { tempDir, type TempDir } from '../helpers/temp-dir.ts'
import { buildWheel, type BuiltFile } from '../helpers/wheel.ts'
import { artifactMaker, seededRandom } from './artifacts.ts'
import { acknowledged, broken, writeUntilGone, type Journal } from './journal.ts'

const MIB = 1024 * 1024
const ROUNDS = Math.ceil(Number(process.env['DEPOT_TEST_ROUNDS'] ?? 25) / 3)

/** A configuration with these stores, in their order. */
async function configure(dir: TempDir, placement: string, paths: Readonly<Record<string, string>>): Promise<string> {
  const tables = Object.entries(paths).map(
    ([name, path]) => `[[stores]]\nname = "${name}"\ntype = "fs"\npath = "${path}"\n`,
  )
  const file = dir.join('depot.toml')
  await writeFile(file, `store-path = "${dir.join('data')}"\nplacement = "${placement}"\n${tables.join('')}`)
  return file
}

describeWith('tmpfs', 'faults/several-stores: a store that is full', () => {
  it(
    'is passed over until it has room again, and an upload that fills it up goes on elsewhere',
    { timeout: 60_000 },
    async () => {
      await using dir = await tempDir('full')
      await using small = await smallVolume(24)
      const config = await configure(dir, 'in-order', { small: small.join('blobs'), large: dir.join('large') })
      await using server = await startServerProcess({ dataDir: dir.join('data'), args: ['--config', config] })
      const [first, tooLarge, last] = [wheelOf('1.0', MIB), wheelOf('2.0', 40 * MIB), wheelOf('3.0', MIB)]

      expect(await uploadFile(server.url, first)).toBeLessThan(300)
      expect(filesIn(small.join('blobs'))).toContain(first.sha256)
      await fillUp(small.path, small.join('filler'), MIB / 4)
      await sleep(1_100)
      expect(await uploadFile(server.url, last)).toBeLessThan(300)
      expect(filesIn(dir.join('large'))).toContain(last.sha256)

      await rm(small.join('filler'))
      await sleep(1_100)
      const again = wheelOf('4.0', MIB)
      expect(await uploadFile(server.url, again)).toBeLessThan(300)
      expect(filesIn(small.join('blobs'))).toContain(again.sha256)

      expect(await uploadFile(server.url, tooLarge)).toBeLessThan(300)
      expect(filesIn(dir.join('large'))).toContain(tooLarge.sha256)
      expect(filesIn(small.join('blobs', 'tmp'))).toEqual([])
      for (const file of [first, tooLarge, last, again]) expect(await servesFile(server.url, 'full', file)).toBe(true)
      await expect.poll(() => server.logs()).toContain('"store":"small","code":"STORAGE_FULL"')
      const { status, stdout } = await runDepot(['fsck', '--full', '--config', config])
      expect([status, stdout]).toEqual([0, expect.stringContaining(' 0 errors')])
    },
  )

  it('is said to be full, with 507, when no other has room', { timeout: 60_000 }, async () => {
    await using dir = await tempDir('full')
    await using one = await smallVolume(16)
    await using two = await smallVolume(16)
    const config = await configure(dir, 'round-robin', { one: one.join('blobs'), two: two.join('blobs') })
    await using server = await startServerProcess({ dataDir: dir.join('data'), args: ['--config', config] })
    expect(await uploadFile(server.url, wheelOf('1.0', 30 * MIB))).toBe(507)
    expect([...filesIn(one.path), ...filesIn(two.path)]).toEqual([])
    expect(await uploadFile(server.url, wheelOf('1.0', MIB))).toBeLessThan(300)
  })
})

describe('a server with several stores that is killed while clients upload', () => {
  it(
    `loses nothing that it acknowledged, whichever store it lies in, ${ROUNDS} times (DEPOT_TEST_SEED=${SEED})`,
    { timeout: 400_000 },
    async () => {
      const random = seededRandom(SEED)
      const maker = artifactMaker(SEED, random)
      const journal: Journal = new Map()
      await using dir = await tempDir('kill-stores')
      const config = await configure(dir, 'round-robin', { a: dir.join('a'), b: dir.join('b'), c: dir.join('c') })
      const start = () => startServerProcess({ dataDir: dir.join('data'), args: ['--config', config] })
      for (let round = 0; round < ROUNDS; round++) {
        await using server = await start()
        expect(await broken(server, journal)).toEqual([])
        const writers = Array.from({ length: 6 }, (_, client) =>
          writeUntilGone(server, maker.next.bind(maker, client), journal),
        )
        const before = acknowledged(journal)
        await sleep(50 + random() * 1500)
        // Slow as the machine may be, somebody gets through between two kills.
        await expect.poll(() => acknowledged(journal), { timeout: 60_000 }).toBeGreaterThan(before)
        await server.stop('SIGKILL')
        await Promise.all(writers)
      }
      await using server = await start()
      expect(await broken(server, journal)).toEqual([])
      await server.stop()
      for (const name of ['a', 'b', 'c']) expect(filesIn(dir.join(name, 'tmp'))).toEqual([])
      const { status, stdout } = await runDepot(['fsck', '--full', '--config', config, '--json'])
      const kinds = stdout
        .trim()
        .split('\n')
        .map((line) => (JSON.parse(line) as { kind: string }).kind)
      expect(kinds.filter((kind) => !['orphan', 'duplicate', 'summary'].includes(kind))).toEqual([])
      expect(status).toBe(0)
    },
  )
})

function wheelOf(version: string, sizeBytes: number): BuiltFile {
  return buildWheel({ name: 'full', version, extra: [{ name: 'data', content: randomBytes(sizeBytes) }] })
}
