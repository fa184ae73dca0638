import { execFileSync } from 'node:child_process'
import { chmod, mkdir, rm } from 'node:fs/promises'
import path from 'node:path'
import process from 'node:process'

import postgres from 'postgres'
import { expect, it } from 'vitest'

import { describeWith } from '../helpers/have.ts'
import { startOwnPostgres } from '../helpers/own-postgres.ts'
import { runDepot } from '../helpers/run-depot.ts'
import { SEED } from '../helpers/seed.ts'
import { startServerProcess } from '../helpers/server-process.ts'
import { fillUp, smallVolume, type Volume } from '../helpers/small-volume.ts'
import { tempDir } from '../helpers/temp-dir.ts'
import { artifactMaker, seededRandom } from './artifacts.ts'
import { acknowledged, broken, type Journal } from './journal.ts'

const CLIENTS = 5
/** Of five clients, three push archives, each with a narinfo behind it. */
const PUSHED_BY_ALL = CLIENTS + 3
const KIB = 1024
const TIME = { timeout: 120_000 }
/** 422: a narinfo whose archive was refused before it. */
const REFUSALS = [422, 507]
const PROMISE = 'refuses changes when its disk is full, reads on, says so, and goes on when there is room'

describeWith('tmpfs', 'a server over SQLite', () => {
  it.each([
    ['of one process', 1, 0],
    ['of one process, with room for some', 1, 300 * KIB],
    ['of two workers', 2, 0],
    ['of two workers, with room for some', 2, 300 * KIB],
  ])(`%s ${PROMISE} (DEPOT_TEST_SEED=${SEED})`, TIME, async (_name, workers, left) => {
    await using volume = await smallVolume(8)
    await fillWhileClientsPush({ volume, databaseUrl: `sqlite://${volume.join('depot.db')}`, workers, left })
  })
})

describeWith(['tmpfs', 'postgres'], 'a server over PostgreSQL', () => {
  it.each([
    ['of one process', 1],
    ['of two workers', 2],
  ])(`%s ${PROMISE} (DEPOT_TEST_SEED=${SEED})`, TIME, async (_name, workers) => {
    await using volume = await smallVolume(48)
    await using server = await startOwnPostgres()
    const databaseUrl = await databaseOn(volume, server.url)
    await fillWhileClientsPush({ volume, databaseUrl, workers, left: 0 })
  })
})

/** A database of its own whose tables lie on that volume; the log of changes does not. */
async function databaseOn(volume: Volume, serverUrl: string): Promise<string> {
  const place = volume.join('tables')
  await mkdir(place)
  if (process.getuid?.() === 0) execFileSync('chown', ['postgres', place])
  await chmod(path.dirname(volume.path), 0o711)
  const sql = postgres(serverUrl, { max: 1, onnotice: () => {} })
  try {
    await sql.unsafe(`CREATE TABLESPACE small LOCATION '${place}'`)
    await sql.unsafe(`CREATE DATABASE small TEMPLATE template0 ENCODING 'UTF8' TABLESPACE small`)
  } finally {
    await sql.end()
  }
  const url = new URL(serverUrl)
  url.pathname = '/small'
  return url.href
}

interface Filling {
  readonly volume: Volume
  readonly databaseUrl: string
  readonly workers: number
  /** Bytes that the filled volume still has. */
  readonly left: number
}

async function fillWhileClientsPush({ volume, databaseUrl, workers, left }: Filling): Promise<void> {
  await using dir = await tempDir('full')
  const dataDir = dir.join('data')
  const args = ['--workers', String(workers), `--database-url=${databaseUrl}`]
  await using server = await startServerProcess({ dataDir, args })
  const clients = pushingTo(server.url)
  const ready = async (): Promise<string> => {
    const response = await fetch(`${server.url}/readyz`)
    return `${response.status} ${await response.text()}`
  }
  expect(Math.max(...(await clients.push(5)))).toBeLessThan(300)
  expect(await ready()).toBe('200 ready\n')

  await fillUp(volume.path, volume.join('filler'), left)
  const statuses = await clients.push(12)
  expect([...statuses].filter((status) => status >= 300 && !REFUSALS.includes(status))).toEqual([])
  expect(statuses).toContain(507)
  expect(await broken(server, clients.journal)).toEqual([])
  // Each worker tells of what it has met itself.
  await expect.poll(ready, { timeout: 15_000 }).toBe('200 ready\ndatabase: full\n')

  const before = acknowledged(clients.journal)
  await rm(volume.join('filler'))
  expect(Math.max(...(await clients.push(5)))).toBeLessThan(300)
  expect(acknowledged(clients.journal)).toBe(before + 5 * PUSHED_BY_ALL)
  expect(await broken(server, clients.journal)).toEqual([])

  expect(await server.stop()).toBe(0)
  // Once for each process, however many were refused: a log on the same disk must not grow by it.
  const errors = server
    .logs()
    .split('\n')
    .filter((line) => line.includes('"level":50'))
  expect(errors.filter((line) => !line.includes('"msg":"database full"'))).toEqual([])
  expect(errors[0]).toContain('the disk of the database is full: free some space')
  expect(errors.length).toBeLessThanOrEqual(workers)
  const { status } = await runDepot(['fsck', '--full', '--store-path', dataDir, `--database-url=${databaseUrl}`])
  expect(status).toBe(0)
}

/** Clients of each kind, side by side; `push` returns what they were answered. */
function pushingTo(url: string) {
  const journal: Journal = new Map()
  const maker = artifactMaker(SEED, seededRandom(SEED), () => 2000)

  async function push(rounds: number): Promise<ReadonlySet<number>> {
    const statuses = new Set<number>()
    async function client(number: number): Promise<void> {
      for (let round = 0; round < rounds; round++)
        for (const artifact of await maker.next(number)) {
          journal.set(artifact, 'sent')
          const status = await artifact.send(url)
          if (status < 300) journal.set(artifact, 'acknowledged')
          statuses.add(status)
        }
    }
    await Promise.all(Array.from({ length: CLIENTS }, (_, number) => client(number)))
    return statuses
  }
  return { journal, push }
}
