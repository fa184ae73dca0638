import process from 'node:process'

import { expect, it } from 'vitest'

import { fsck } from '../../src/fsck.ts'
import { openS3BlobStore } from '../../storage/blob/s3/store.ts'
import { describeWith, have } from '../helpers/have.ts'
import { createDatabase } from '../helpers/postgres-database.ts'
import { runDepot } from '../helpers/run-depot.ts'
import { s3Environment, s3OptionsOf } from '../helpers/s3-store.ts'
import { createBucket, type TestBucket } from '../helpers/s3.ts'
import { SEED } from '../helpers/seed.ts'
import { s3Settings } from '../helpers/storage-pairs.ts'
import { tempDir } from '../helpers/temp-dir.ts'
import { artifactMaker, seededRandom, type Artifact } from './artifacts.ts'
import { broken, type Journal } from './journal.ts'
import { killAgainAndAgain } from './kill-rounds.ts'
import { startMortalWorld, type MortalWorld } from './mortal-world.ts'

/** Processes that are killed, and servers that die at each step of an upload, as their stores see it. */
const KILLS = Number(process.env['DEPOT_TEST_ROUNDS'] ?? 4)
const DEATHS = Number(process.env['DEPOT_TEST_DEATHS'] ?? 100)
const LARGER_THAN_A_PART = 9_000_000

describeWith(['postgres', 's3'], 'a server over PostgreSQL and S3', () => {
  it(
    `loses nothing that it acknowledged when its process is killed while clients upload, ${KILLS} times (DEPOT_TEST_SEED=${SEED})`,
    { timeout: 3_000_000 },
    async () => {
      const random = seededRandom(SEED)
      const maker = artifactMaker(SEED, random, () => Math.round(10_000 * 1200 ** random()))
      await using dir = await tempDir('kill')
      await using bucket = await createBucket(have.paths.s3)
      await using database = await createDatabase()
      const env = { ...s3Environment(bucket), DEPOT_DATABASE_URL: database.url }
      const server = { dataDir: dir.join('data'), env }
      await killAgainAndAgain({ rounds: KILLS, random, maker, server })
      const { status, stdout } = await runDepot(['fsck', '--full', '--store-path', server.dataDir], env)
      expect(stdout).not.toMatch(/^error/m)
      expect(status).toBe(0)
      await expectSwept(bucket, '')
    },
  )

  it(
    `loses nothing that it acknowledged when it dies before or behind any step of an upload, ${DEATHS} times (DEPOT_TEST_SEED=${SEED})`,
    { timeout: 3_000_000 },
    async () => {
      await using bucket = await createBucket(have.paths.s3)
      await using database = await createDatabase()
      const journal: Journal = new Map()
      const burials: Promise<void>[] = []
      let retry: Artifact | undefined
      for (const { artifact, step, when, acknowledged } of deaths()) {
        const server = await startMortalWorld(bucket, database.url)
        if (retry !== undefined) await sendAgain(server, retry, journal)
        retry = await artifact()
        journal.set(retry, 'sent')
        const dying = server.die(step, when)
        const status = await Promise.race([retry.send(server.world.url).catch(() => 'died' as const), dying])
        if (typeof status === 'number' && status < 300) {
          journal.set(retry, 'acknowledged')
          acknowledged()
        }
        burials.push(server.bury())
      }
      await Promise.all(burials)
      const server = await startMortalWorld(bucket, database.url)
      if (retry !== undefined) await sendAgain(server, retry, journal)
      expect(await broken(server.world, journal)).toEqual([])
      const { kv, blobs } = server.world.depot
      const findings = await Array.fromAsync(fsck({ kv, blobs, full: true }))
      expect(findings.filter(({ severity }) => severity === 'error')).toEqual([])
      expect(server.world.bugs).toEqual([])
      await server.bury()
      await expectSwept(bucket, s3Settings(bucket)['s3-prefix'])
    },
  )
})

/** What its client does when a server has gone: what is there is whole, and what is sent again is taken. */
async function sendAgain({ world }: MortalWorld, artifact: Artifact, journal: Journal): Promise<void> {
  const state = journal.get(artifact) ?? 'sent'
  expect(await broken(world, new Map([[artifact, state]]))).toEqual([])
  expect(Math.floor((await artifact.send(world.url)) / 100), artifact.name).toBe(2)
  journal.set(artifact, 'acknowledged')
}

/** Each kind of upload dies one step later each time, until it is acknowledged because it has no more; then all over again. */
function* deaths() {
  const random = seededRandom(SEED)
  let sizeBytes = 0
  const maker = artifactMaker(SEED, random, () => sizeBytes)
  const make = (client: number, index: number, size: number) => async () => {
    sizeBytes = size
    const artifact = (await maker.next(client))[index]
    if (artifact === undefined) throw new Error('no such artifact')
    return artifact
  }
  const kinds = [make(0, 0, 20_000), make(1, 0, 20_000), make(2, 0, 20_000), make(0, 0, LARGER_THAN_A_PART)]
  const ways = kinds.flatMap((artifact) => (['before', 'behind'] as const).map((when) => ({ artifact, when })))
  let [left, step] = [[...ways], 1]
  for (let round = 0; round < DEATHS;) {
    for (const way of left) {
      yield { ...way, step, acknowledged: () => void (left = left.filter((other) => other !== way)) }
      round++
    }
    step++
    if (left.length === 0) [left, step] = [[...ways], 1]
  }
}

/** Uploads in parts that nobody completes are gone after a sweep, by a depot with that prefix. */
async function expectSwept(bucket: TestBucket, prefix: string): Promise<void> {
  await using dir = await tempDir('sweep')
  const options = { s3: s3OptionsOf(bucket, { prefix }), spool: dir.path, times: { abandonedMs: 0 } }
  await using _store = await openS3BlobStore(options)
  await expect.poll(() => bucket.openUploads(), { timeout: 10_000 }).toEqual([])
}
