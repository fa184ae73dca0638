import { createHash } from 'node:crypto'
import process from 'node:process'

import { expect, it } from 'vitest'

import { describeWith, have } from '../helpers/have.ts'
import { publishOf, tarballOf } from '../helpers/npm-fixtures.ts'
import { createDatabase } from '../helpers/postgres-database.ts'
import { postForm, uploadForm } from '../helpers/python-upload.ts'
import { runDepot } from '../helpers/run-depot.ts'
import { s3Environment } from '../helpers/s3-store.ts'
import { createBucket } from '../helpers/s3.ts'
import { startServerProcess } from '../helpers/server-process.ts'
import { storePathOf } from '../helpers/store-path.ts'
import { tempDir } from '../helpers/temp-dir.ts'
import { buildWheel } from '../helpers/wheel.ts'

const OPERATIONS = Number(process.env['DEPOT_TEST_OPERATIONS'] ?? 600)
const CLIENTS = 32
/** Clients that want the same thing at once. */
const RIVALS = 4
/** Packages that get many versions and tags. */
const PACKAGES = 5

/** One thing that rivals do at once: each asks for it, at either server, and then what came of it is judged. */
interface Contest {
  readonly asks: readonly ((base: string) => Promise<number>)[]
  /** What is wrong with the answers, if anything. */
  judge(statuses: readonly number[]): string | undefined
  /** What both servers must serve in the end. */
  check(base: string, statuses: readonly number[]): Promise<string | undefined>
}

describeWith(['postgres', 's3'], 'two servers over one PostgreSQL and one bucket', () => {
  it(
    `lose no version and take none twice in ${OPERATIONS} operations of ${CLIENTS} clients`,
    { timeout: 1_800_000 },
    async () => {
      await using dir = await tempDir('racing')
      await using bucket = await createBucket(have.paths.s3)
      await using database = await createDatabase()
      const env = { ...s3Environment(bucket), DEPOT_DATABASE_URL: database.url }
      const dataDir = dir.join('data')
      await using one = await startServerProcess({ dataDir, env })
      await using other = await startServerProcess({ dataDir, env })
      const bases = [one.url, other.url]
      for (let index = 0; index < PACKAGES; index++)
        await publishTo(one.url, { name: `many-${index}`, version: '0.0.0' })

      const makers = [sameArchive, sameVersion, manyVersions, sameWheel, manyTags]
      const contests = Array.from({ length: Math.ceil(OPERATIONS / RIVALS) }, (_, index) =>
        makers[index % makers.length]?.(Math.floor(index / makers.length)),
      ).filter((contest) => contest !== undefined)
      const results = await run(contests, bases)

      const problems = contests.map((contest, index) => contest.judge(results[index] ?? []))
      expect(problems.filter((problem) => problem !== undefined)).toEqual([])
      for (const base of bases) {
        const found = await Promise.all(contests.map((contest, index) => contest.check(base, results[index] ?? [])))
        expect(found.filter((problem) => problem !== undefined)).toEqual([])
      }
      for (const server of [one, other]) {
        await server.stop()
        expect(server.logs()).not.toContain('"level":50')
      }
      const { status, stdout } = await runDepot(['fsck', '--full', '--store-path', dataDir], env)
      expect(stdout).not.toMatch(/^error/m)
      expect(status).toBe(0)
    },
  )
})

/** Ask for everything, rivals side by side, as so many clients do; returns the statuses of each contest. */
async function run(contests: readonly Contest[], bases: readonly string[]): Promise<number[][]> {
  const results: number[][] = contests.map(() => [])
  const asks = contests.flatMap(({ asks: rivals }, contest) => rivals.map((ask, rival) => ({ ask, contest, rival })))
  let next = 0
  const client = async (): Promise<void> => {
    for (let at = next++; at < asks.length; at = next++) {
      const { ask, contest, rival } = asks[at] ?? {}
      const base = bases[((rival ?? 0) + (contest ?? 0)) % bases.length]
      const row = results[contest ?? 0]
      if (ask && base !== undefined && row) row[rival ?? 0] = await ask(base)
    }
  }
  await Promise.all(Array.from({ length: CLIENTS }, client))
  return results
}

/** The same bytes from all: all are told that they are there. */
function sameArchive(index: number): Contest {
  const { file, packed, narHash, nar } = storePathOf(`same-${index}`, Buffer.from(`archive ${index}`), 'none')
  return {
    asks: times(() => (base) => statusOf(put(`${base}/nix/nar/${file}`, packed))),
    judge: (statuses) =>
      statuses.every((status) => status === 200 || status === 201) ? undefined : `archive: ${statuses.join()}`,
    check: (base) => sameBytes(`${base}/nix/nar/${narHash}.nar`, nar),
  }
}

/** One version with other bytes from each: one is taken, and its bytes are served. */
function sameVersion(index: number): Contest {
  const packageJson = { name: `one-${index}`, version: '1.0.0' }
  const tarballs = times((rival) => tarballOf({ ...packageJson, description: `by ${rival}` }))
  return {
    asks: tarballs.map((tarball) => async (base) => {
      const document = publishOf(packageJson, await tarball)
      return statusOf(put(`${base}/npm/${packageJson.name}`, Buffer.from(JSON.stringify(document)), 'application/json'))
    }),
    judge: (statuses) => oneOf(201, statuses),
    async check(base, statuses) {
      const winner = await tarballs[statuses.indexOf(201)]
      return winner && sameBytes(`${base}/npm/${packageJson.name}/-/${packageJson.name}-1.0.0.tgz`, winner)
    },
  }
}

/** A version of one package from each: none is lost. */
function manyVersions(index: number): Contest {
  const name = `many-${index % PACKAGES}`
  const versions = times((rival) => `1.${index}.${rival}`)
  return {
    asks: versions.map((version) => (base) => publishTo(base, { name, version })),
    judge: (statuses) => (statuses.every((status) => status === 201) ? undefined : `${name}: ${statuses.join()}`),
    async check(base) {
      const { versions: listed } = (await (await fetch(`${base}/npm/${name}`)).json()) as { versions: object }
      const lost = versions.filter((version) => !Object.hasOwn(listed, version))
      return lost.length === 0 ? undefined : `${name} lost ${lost.join()}`
    },
  }
}

/** A tag of one package from each: none is lost. */
function manyTags(index: number): Contest {
  const name = `many-${index % PACKAGES}`
  const tags = times((rival) => `tag-${index}-${rival}`)
  return {
    asks: tags.map((tag) => (base) => {
      const url = `${base}/npm/-/package/${name}/dist-tags/${tag}`
      return statusOf(put(url, Buffer.from('"0.0.0"'), 'application/json'))
    }),
    judge: (statuses) => (statuses.every((status) => status < 300) ? undefined : `tags of ${name}: ${statuses.join()}`),
    async check(base) {
      const listed = (await (await fetch(`${base}/npm/-/package/${name}/dist-tags`)).json()) as Record<string, string>
      const lost = tags.filter((tag) => listed[tag] !== '0.0.0')
      return lost.length === 0 ? undefined : `${name} lost ${lost.join()}`
    },
  }
}

/** A wheel of one name with other bytes from each: one is taken, and listed once. */
function sameWheel(index: number): Contest {
  const name = `wheel-${index}`
  const wheels = times((rival) => buildWheel({ name, version: '1.0', value: `by ${rival}` }))
  return {
    asks: wheels.map((wheel) => (base) => statusOf(postForm(base, uploadForm(wheel)))),
    judge: (statuses) => oneOf(200, statuses),
    async check(base, statuses) {
      const headers = { Accept: 'application/vnd.pypi.simple.v1+json' }
      const page = (await (await fetch(`${base}/python/simple/${name}/`, { headers })).json()) as {
        files: { hashes: { sha256: string } }[]
      }
      const listed = page.files.map(({ hashes }) => hashes.sha256).join()
      const winner = wheels[statuses.indexOf(200)]
      return listed === winner?.sha256 ? undefined : `${name} lists ${listed}`
    },
  }
}

function times<T>(make: (rival: number) => T): T[] {
  return Array.from({ length: RIVALS }, (_, rival) => make(rival))
}

/** All others are told that the name is taken. */
function oneOf(taken: number, statuses: readonly number[]): string | undefined {
  const told = statuses.map(String).toSorted().join()
  return told === [taken, ...times(() => 409).slice(1)].join() ? undefined : `one name: ${told}`
}

async function publishTo(base: string, packageJson: { name: string; version: string }): Promise<number> {
  const document = publishOf(packageJson, await tarballOf(packageJson))
  return statusOf(put(`${base}/npm/${packageJson.name}`, Buffer.from(JSON.stringify(document)), 'application/json'))
}

function put(url: string, body: Buffer, type = 'application/octet-stream'): Promise<Response> {
  return fetch(url, { method: 'PUT', headers: { 'Content-Type': type }, body: Uint8Array.from(body) })
}

async function statusOf(answer: Promise<Response>): Promise<number> {
  const { status } = await answer.then(async (response) => {
    await response.arrayBuffer()
    return response
  })
  return status
}

async function sameBytes(url: string, bytes: Uint8Array): Promise<string | undefined> {
  const answer = await fetch(url)
  const sum = createHash('sha256').update(new Uint8Array(await answer.arrayBuffer()))
  return sum.digest('hex') === createHash('sha256').update(bytes).digest('hex') ? undefined : `${url}: other bytes`
}
