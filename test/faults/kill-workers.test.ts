import process from 'node:process'
import { setTimeout as sleep } from 'node:timers/promises'

import { describe, expect, it } from 'vitest'

import { describeWith } from '../helpers/have.ts'
import { createDatabase } from '../helpers/postgres-database.ts'
import { runDepot } from '../helpers/run-depot.ts'
import { SEED } from '../helpers/seed.ts'
import { startWorkerServer, type WorkerServer } from '../helpers/worker-server.ts'
import { artifactMaker, seededRandom, type ArtifactMaker } from './artifacts.ts'
import { acknowledged, broken, stagedFiles, type Journal } from './journal.ts'

const KILLS = Number(process.env['DEPOT_TEST_ROUNDS'] ?? 12)
const WRITERS = 8
const TIME = { timeout: 600_000 }
const TIMES = `, ${KILLS} times (DEPOT_TEST_SEED=${SEED})`

describe('workers that are killed while clients upload', () => {
  it(`lose nothing that they acknowledged, hold up nobody, and are replaced${TIMES}`, TIME, () => killing([]))
})

describeWith('postgres', 'workers over PostgreSQL that are killed while clients upload', () => {
  it(`lose nothing that they acknowledged, hold up nobody, and are replaced${TIMES}`, TIME, async () => {
    await using database = await createDatabase()
    await killing(['--database-url', database.url])
  })
})

/** @param database arguments that name it */
async function killing(database: readonly string[]): Promise<void> {
  const random = seededRandom(SEED)
  const maker = artifactMaker(SEED, random)
  const journal: Journal = new Map()
  await using server = await startWorkerServer({ args: database })
  const stop = new AbortController()
  const writers = Array.from({ length: WRITERS }, (_, client) =>
    write(server, () => maker.next(client), { journal, stop: stop.signal }),
  )
  for (let kill = 0; kill < KILLS; kill++) {
    const before = acknowledged(journal)
    await sleep(100 + random() * 1500)
    // Slow as the machine may be, somebody gets through between two kills.
    await expect.poll(() => acknowledged(journal), { timeout: 60_000 }).toBeGreaterThan(before)
    const pids = await server.workerPids()
    const victim = pids[Math.floor(random() * pids.length)]
    if (victim !== undefined) process.kill(victim, 'SIGKILL')
  }
  stop.abort()
  await Promise.all(writers)
  expect([...journal.values()].filter((state) => state === 'sent')).toEqual([])
  expect(await broken(server, journal)).toEqual([])
  await expect.poll(async () => (await server.workerPids()).length, { timeout: 60_000 }).toBe(2)
  await expect.poll(() => stagedFiles(server.dataDir), { timeout: 60_000 }).toEqual([])
  expect(await server.stop()).toBe(0)
  const errors = server.entries().filter(({ level = 0, msg }) => level >= 50 && msg !== 'worker ended')
  expect(errors).toEqual([])
  for (const check of [
    ['fsck', '--full'],
    ['audit', 'verify'],
  ]) {
    const { status, stdout } = await runDepot([...check, '--store-path', server.dataDir, ...database])
    expect(stdout).not.toMatch(/^error/m)
    expect(status).toBe(0)
  }
}

interface Writing {
  readonly journal: Journal
  readonly stop: AbortSignal
}

/** Push one artifact after another, each again until it is acknowledged: what a client does whose connection is cut. */
async function write(
  server: WorkerServer,
  next: () => ReturnType<ArtifactMaker['next']>,
  { journal, stop }: Writing,
): Promise<void> {
  while (!stop.aborted) {
    for (const artifact of await next()) {
      journal.set(artifact, 'sent')
      for (let status: number | 'cut' = 'cut'; status === 'cut';) {
        status = await artifact.send(server.url).catch(() => 'cut' as const)
        if (status !== 'cut' && (status < 200 || status > 299)) throw new Error(`${artifact.name}: ${status}`)
      }
      journal.set(artifact, 'acknowledged')
    }
  }
}
