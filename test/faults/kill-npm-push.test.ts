import { randomInt } from 'node:crypto'
import { rm } from 'node:fs/promises'
import path from 'node:path'

import { describe, expect, it } from 'vitest'

import { fsck } from '../../src/fsck.ts'
import { freePort } from '../helpers/free-port.ts'
import { describeWith } from '../helpers/have.ts'
import { killedImport } from '../helpers/killed-import.ts'
import { json, startNpmWorld } from '../helpers/npm-world.ts'
import { runDepot } from '../helpers/run-depot.ts'
import { saveFixture, saveKeys } from '../helpers/saved-npm.ts'
import { startServerProcess } from '../helpers/server-process.ts'
import { fillUp, smallVolume } from '../helpers/small-volume.ts'
import { tempDir, type TempDir } from '../helpers/temp-dir.ts'
import type { World } from '../helpers/world.ts'

const NAMES = ['one', '@acme/two', 'three']
const VERSIONS = Array.from({ length: 100 }, (_, patch) => `1.0.${patch}`)
const COUNT = NAMES.length * VERSIONS.length

async function saved(): Promise<TempDir> {
  const root = await tempDir('saved')
  const signer = await saveKeys(root.path)
  for (const name of NAMES) await saveFixture(root.path, { name, versions: VERSIONS, signer, attested: true })
  return root
}

function push(url: string, root: TempDir): readonly string[] {
  return ['npm', 'push', url, '--dir', root.path]
}

/** Everything is there as it was saved, and nothing else. */
async function expectWhole(url: string): Promise<void> {
  for (const name of NAMES) {
    const packument = await json(await fetch(`${url}/npm/${name}`))
    expect(Object.keys(packument['versions'] as object).sort()).toEqual([...VERSIONS].sort())
    expect(packument).toMatchObject({
      'dist-tags': { latest: '1.0.99' },
      time: { '1.0.0': '2020-01-02T00:00:00.000Z' },
    })
    expect((await fetch(`${url}/npm/-/npm/v1/attestations/${name.replace('/', '%2f')}@1.0.50`)).status).toBe(200)
  }
}

/** Whoever sees a version can have its tarball, and what is said of how it was made. */
async function expectSound(world: World): Promise<void> {
  const { blobs, kv } = world.depot
  for await (const { severity, subject } of fsck({ blobs, kv, full: false }))
    expect({ severity, subject }).toMatchObject({ severity: 'note' })
  for (const name of NAMES) {
    const answer = await world.fetch(`/npm/${name}`)
    if (answer.status === 404) continue
    const { versions } = (await answer.json()) as {
      versions: Record<string, { dist: { tarball: string; attestations: { url: string } } }>
    }
    const last = Object.values(versions).at(-1)?.dist
    for (const url of [last?.tarball, last?.attestations.url]) expect((await fetch(url ?? '')).status).toBe(200)
  }
}

describe('a push of npm packages', () => {
  it('that is killed twenty times ends whole, and sends nothing twice that it had told of', async () => {
    await using root = await saved()
    await using world = await startNpmWorld()
    const told = new Set<string>()
    for (let round = 0; round < 20; round++) {
      const items = await killedImport(push(world.url, root), randomInt(1, 12))
      for (const item of items.filter((one) => one.includes('@'))) {
        expect(told).not.toContain(item)
        told.add(item)
      }
      await expectSound(world)
    }
    const before = (await world.depot.kv.audit(0, 10_000)).length
    expect(await runDepot(push(world.url, root))).toMatchObject({ status: 0, stderr: '' })
    const after = (await world.depot.kv.audit(before, 10_000)).map(({ resource }) => resource)
    expect(after.filter((resource) => told.has(resource))).toEqual([])
    await expectWhole(world.url)
    expect((await runDepot(push(world.url, root))).stdout).toBe(`sent 0 (0 bytes), ${COUNT} there already, 0 failed\n`)
    expect(world.bugs).toEqual([])
  }, 240_000)

  it('goes on when the server is killed and comes back', async () => {
    await using root = await saved()
    await using data = await tempDir('data')
    const port = await freePort()
    const options = { port, dataDir: data.join('depot') }
    const first = await startServerProcess(options)
    const running = runDepot(push(first.url, root))
    await expect.poll(async () => (await fetch(`${first.url}/npm/one`)).status, { timeout: 20_000 }).toBe(200)
    await first.stop('SIGKILL')
    await using second = await startServerProcess(options)
    expect(await running).toMatchObject({ status: 0, stderr: '' })
    await expectWhole(second.url)
    await first[Symbol.asyncDispose]()
  }, 120_000)

  it('may run twice at once', async () => {
    await using root = await saved()
    await using world = await startNpmWorld()
    const runs = await Promise.all([runDepot(push(world.url, root)), runDepot(push(world.url, root))])
    for (const run of runs) expect(run).toMatchObject({ status: 0, stderr: '' })
    await expectWhole(world.url)
    await expectSound(world)
    expect(world.bugs).toEqual([])
  }, 120_000)
})

describeWith('tmpfs', 'a push of npm packages to a full disk', () => {
  it('ends with a line that says so, and goes on once there is space', async () => {
    await using root = await saved()
    await using volume = await smallVolume(48)
    await using server = await startServerProcess({ dataDir: volume.join('data') })
    await fillUp(volume.path, volume.join('filler'), 256 * 1024)
    const { status, stderr } = await runDepot(push(server.url, root))
    expect({ status, stderr }).toMatchObject({ status: 1, stderr: expect.stringMatching(/full|space/) as unknown })
    expect(stderr.split('\n').length).toBeLessThan(5)
    await rm(path.join(volume.path, 'filler'))
    expect(await runDepot(push(server.url, root))).toMatchObject({ status: 0, stderr: '' })
    await expectWhole(server.url)
  }, 120_000)
})
