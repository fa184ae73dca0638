import { readdirSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'

import Database from 'better-sqlite3'
import postgres from 'postgres'
import { describe, expect, it } from 'vitest'

import { LIMITS } from '../../src/limits.ts'
import { describeWith, have } from '../helpers/have.ts'
import { createDatabase } from '../helpers/postgres-database.ts'
import { runDepot } from '../helpers/run-depot.ts'
import { s3Environment } from '../helpers/s3-store.ts'
import { createBucket } from '../helpers/s3.ts'
import { SEED } from '../helpers/seed.ts'
import { startServerProcess } from '../helpers/server-process.ts'
import { tempDir, type TempDir } from '../helpers/temp-dir.ts'
import { artifactMaker, seededRandom, type Artifact } from './artifacts.ts'
import { stagedFiles } from './journal.ts'

/** Where the server keeps what it has, and how its commits are held up. */
interface Stores extends AsyncDisposable {
  readonly env: Readonly<Record<string, string>>
  /** Locations of what is stored. */
  stored(): Promise<readonly string[]>
  /** From now on no commit comes to an end, though everything may be read. */
  holdCommits(): Promise<Held>
}

interface Held {
  /** Let go, with whatever commits a server that is gone has left there. */
  release(): Promise<void>
}

async function onSqlite(dir: TempDir): Promise<Stores> {
  const blobs = dir.join('data', 'blobs')
  return {
    env: {},
    async stored() {
      const files = readdirSync(blobs, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile())
      return files.filter(({ parentPath }) => !parentPath.endsWith('/tmp')).map(({ name }) => name)
    },
    async holdCommits() {
      const database = new Database(dir.join('data', 'depot.db'))
      database.exec('BEGIN IMMEDIATE')
      return { release: async () => void database.close() }
    },
    async [Symbol.asyncDispose]() {},
  }
}

async function onPostgres(): Promise<Stores> {
  await using opening = new AsyncDisposableStack()
  const bucket = opening.use(await createBucket(have.paths.s3))
  const database = opening.use(await createDatabase())
  const opened = opening.move()
  return {
    env: { ...s3Environment(bucket), DEPOT_DATABASE_URL: database.url },
    stored: () => bucket.keys(),
    async holdCommits() {
      const holder = postgres(database.url, { max: 1, onnotice: () => {} })
      await holder.unsafe('BEGIN; LOCK TABLE blob IN SHARE MODE')
      return {
        async release() {
          // What a server has sent goes on without it, until its connection is found to be gone; and what is told to end has ended a moment later.
          await holder`SELECT pg_terminate_backend(pid, 60000) FROM pg_stat_activity
            WHERE datname = current_database() AND pid <> pg_backend_pid()`
          await holder.end()
        },
      }
    },
    [Symbol.asyncDispose]: () => opened.disposeAsync(),
  }
}

/** One upload of each kind, and one that goes into a bucket in parts. */
async function someUploads(): Promise<readonly Artifact[]> {
  let sizeBytes = 20_000
  const maker = artifactMaker(SEED, seededRandom(SEED), () => sizeBytes)
  const small = await Promise.all([0, 1, 2].map((client) => maker.next(client)))
  sizeBytes = LIMITS.s3PartBytes + 1_000_000
  return [...small, await maker.next(0)].flatMap(([first]) => first ?? [])
}

/** Kill a server when it has stored an upload and its row is about to be written. */
async function killBeforeRow(stores: Stores, dir: TempDir, upload: Artifact): Promise<void> {
  await using server = await startServerProcess({ dataDir: dir.join('data'), env: stores.env })
  const before = await stores.stored()
  const held = await stores.holdCommits()
  const answer = upload.send(server.url).catch(() => 'gone')
  await expect.poll(() => stores.stored(), { timeout: 20_000, interval: 50 }).not.toHaveLength(before.length)
  await sleep(BETWEEN_MS)
  await server.stop('SIGKILL')
  expect(await answer).toBe('gone')
  await held.release()
}

/** What a store still does behind the bytes, to be done with everything but the row. */
const BETWEEN_MS = 300

function describeKills(name: string, open: (dir: TempDir) => Promise<Stores>): void {
  it(`on ${name} serves nothing of it, and takes it when it is sent again`, { timeout: 180_000 }, async () => {
    await using dir = await tempDir('before-row')
    await using stores = await open(dir)
    const uploads = await someUploads()
    for (const upload of uploads) await killBeforeRow(stores, dir, upload)
    const options = { dataDir: dir.join('data'), env: stores.env }
    const fsck = () => runDepot(['fsck', '--full', '--json', '--store-path', options.dataDir], stores.env)
    const kinds = async () => {
      const { status, stdout } = await fsck()
      expect(status).toBe(0)
      const lines = stdout.trim().split('\n')
      return lines.map((line) => (JSON.parse(line) as { kind: string }).kind).filter((kind) => kind !== 'summary')
    }
    await using server = await startServerProcess(options)
    expect(await stagedFiles(options.dataDir)).toEqual([])
    for (const { verify } of uploads) expect(await verify(server.url)).toBe('absent')
    expect(new Set(await kinds())).toEqual(new Set(['orphan']))
    for (const { name: what, send } of uploads) expect(await send(server.url), what).toBeLessThan(300)
    for (const { verify } of uploads) expect(await verify(server.url)).toBe('whole')
    expect(await kinds()).toEqual([])
    await server.stop()
    expect(server.logs()).not.toContain('"level":50')
  })
}

describe('a server that is killed between the bytes of an upload and its row', () => {
  describeKills('SQLite and files', onSqlite)
})

describeWith(['postgres', 's3'], 'a server over PostgreSQL and S3 that is killed there', () => {
  describeKills('PostgreSQL and S3', onPostgres)
})
