import { setTimeout as sleep } from 'node:timers/promises'

import postgres from 'postgres'
import { afterAll, beforeAll, expect, it } from 'vitest'

import { describeWith } from '../helpers/have.ts'
import { startOwnPostgres, type OwnPostgres } from '../helpers/own-postgres.ts'
import { SEED } from '../helpers/seed.ts'
import { startWorld, type World } from '../helpers/world.ts'
import { artifactMaker, seededRandom, type Artifact } from './artifacts.ts'
import { broken, type Journal } from './journal.ts'

const WRITERS = 5
/** From when the database is there again until nothing fails any more. */
const ERRORS_MS_MAX = 5000
/** How long the processes of PostgreSQL stand still: by hand up to 30 seconds. */
const PAUSE_MS = Number(process.env['DEPOT_TEST_PAUSE_MS'] ?? 3000)

describeWith('postgres', 'a depot whose PostgreSQL fails', () => {
  let database: OwnPostgres
  let world: World
  beforeAll(async () => {
    database = await startOwnPostgres()
    world = await startWorld({ databaseUrl: database.url })
  }, 60_000)
  afterAll(async () => {
    await world[Symbol.asyncDispose]()
    await database[Symbol.asyncDispose]()
  })

  it(
    `loses nothing that it acknowledged, does nothing twice, and is itself again within seconds (DEPOT_TEST_SEED=${SEED})`,
    { timeout: 240_000 + PAUSE_MS },
    async () => {
      const load = startLoad(world)
      await sleep(1000)
      for (const outage of [() => database.crash(), () => cutAll(database), () => pause(database)]) {
        await outage()
        const back = performance.now()
        await sleep(2500)
        expect(load.failedAt() - back).toBeLessThan(ERRORS_MS_MAX)
        const before = load.acknowledged()
        await expect.poll(load.acknowledged, { timeout: 60_000 }).toBeGreaterThan(before)
      }
      await load.stop()
      expect(await broken(world, load.journal)).toEqual([])
      expect([...load.journal.values()]).not.toContain('sent')
      expect(world.bugs).toEqual([])
      expect(await twice(database)).toEqual([])
    },
  )
})

interface Load {
  readonly journal: Journal
  acknowledged(): number
  /** When a request last failed, by `performance.now()`. */
  failedAt(): number
  stop(): Promise<void>
}

/** Clients that send one thing after another, each until it is taken, and one that reads. */
function startLoad({ url }: World): Load {
  const random = seededRandom(SEED)
  const maker = artifactMaker(SEED, random)
  const journal: Journal = new Map()
  let failedAt = -Infinity
  let isOver = false

  async function send(artifact: Artifact): Promise<void> {
    journal.set(artifact, 'sent')
    for (;;) {
      const status = await artifact.send(url)
      if (status < 300) break
      if (status !== 503) throw new Error(`${artifact.name}: ${status}`)
      failedAt = performance.now()
      await sleep(50)
    }
    journal.set(artifact, 'acknowledged')
  }
  async function write(client: number): Promise<void> {
    while (!isOver) for (const artifact of await maker.next(client)) await send(artifact)
  }
  async function read(): Promise<void> {
    while (!isOver) {
      const { status } = await fetch(`${url}/npm/kill-1`)
      if (status === 503) failedAt = performance.now()
      else if (status !== 200 && status !== 404) throw new Error(`a read: ${status}`)
      await sleep(5)
    }
  }

  const clients = [...Array.from({ length: WRITERS }, (_, client) => write(client)), read()]
  const all = Promise.all(clients)
  all.catch(() => {})
  return {
    journal,
    acknowledged: () => [...journal.values()].filter((state) => state === 'acknowledged').length,
    failedAt: () => failedAt,
    async stop() {
      isOver = true
      await all
    },
  }
}

async function cutAll({ url }: OwnPostgres): Promise<void> {
  await using sql = connect(url)
  await sql.client`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'depot%'`
}

async function pause(database: OwnPostgres): Promise<void> {
  await database.pause()
  await sleep(PAUSE_MS)
  await database.resume()
}

/** Changes that stand in the audit log more than once: each was sent until it was taken, and done once. */
async function twice({ url }: OwnPostgres): Promise<readonly unknown[]> {
  await using sql = connect(url)
  return await sql.client`SELECT action, resource, digest FROM audit WHERE result = 'done'
    GROUP BY action, resource, digest HAVING count(*) > 1`
}

function connect(url: string) {
  const client = postgres(url, { max: 1, onnotice: () => {} })
  return { client, [Symbol.asyncDispose]: () => client.end() }
}
