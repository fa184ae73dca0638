import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { writeFile } from 'node:fs/promises'
import path from 'node:path'
import process from 'node:process'
import { text } from 'node:stream/consumers'
import { setTimeout as sleep } from 'node:timers/promises'

import { expect, it } from 'vitest'

import { cleanEnv } from '../helpers/clean-env.ts'
import { describeWith, have } from '../helpers/have.ts'
import { servesFile, uploadFile } from '../helpers/python-upload.ts'
import { runDepot } from '../helpers/run-depot.ts'
import { createBucket, type TestBucket } from '../helpers/s3.ts'
import { SEED } from '../helpers/seed.ts'
import { startServerProcess, type ServerProcess } from '../helpers/server-process.ts'
import { filesIn } from '../helpers/several-stores.ts'
import { tempDir, type TempDir } from '../helpers/temp-dir.ts'
import { buildWheel } from '../helpers/wheel.ts'
import { artifactMaker, seededRandom, type Artifact } from './artifacts.ts'
import { broken, type Journal } from './journal.ts'
import { startS3Proxy, type S3Proxy } from './s3-proxy.ts'

const PREFIX = 'some/where/'
const LAUNCHER = path.join(import.meta.dirname, '..', '..', 'cmd', 'launch.js')
const SPLITS: Readonly<Record<string, number>> = { disk: 40, near: 35, far: 25 }

/** A folder `disk`, and buckets `near` and `far` on two S3 servers that fail as they are told. */
interface Places extends AsyncDisposable {
  readonly dir: TempDir
  readonly proxies: { readonly near: S3Proxy; readonly far: S3Proxy }
  readonly buckets: { readonly near: TestBucket; readonly far: TestBucket }
  /** Write a configuration with these stores of them, in that order. */
  configure(placement: string, names: readonly string[], readOnly?: string): Promise<string>
  start(config: string): Promise<ServerProcess>
}

async function openPlaces(): Promise<Places> {
  await using opening = new AsyncDisposableStack()
  const dir = opening.use(await tempDir('stores-s3'))
  const buckets = {
    near: opening.use(await createBucket(have.paths.s3)),
    far: opening.use(await createBucket(have.paths.s3Second)),
  }
  const proxies = {
    near: opening.use(await startS3Proxy(buckets.near.endpoint)),
    far: opening.use(await startS3Proxy(buckets.far.endpoint)),
  }
  const tables: Readonly<Record<string, string>> = {
    disk: `type = "fs"\npath = "${dir.join('disk')}"\n`,
    near: s3Table(buckets.near, proxies.near),
    far: s3Table(buckets.far, proxies.far),
  }
  const opened = opening.move()
  return {
    dir,
    proxies,
    buckets,
    async configure(placement, names, readOnly) {
      const split = (name: string): string => (placement === 'split' ? `split = ${SPLITS[name]}\n` : '')
      const texts = names.map(
        (name) =>
          `[[stores]]\nname = "${name}"\n${tables[name]}${split(name)}${name === readOnly ? 'read-only = true\n' : ''}`,
      )
      const file = dir.join('depot.toml')
      await writeFile(file, `store-path = "${dir.join('data')}"\nplacement = "${placement}"\n${texts.join('')}`)
      return file
    },
    start: (config) => startServerProcess({ dataDir: dir.join('data'), args: ['--config', config] }),
    [Symbol.asyncDispose]: () => opened.disposeAsync(),
  }
}

function s3Table({ bucket, region, accessKeyId, secretAccessKey }: TestBucket, { endpoint }: S3Proxy): string {
  const keys = {
    bucket,
    endpoint,
    region,
    'access-key-id': accessKeyId,
    'secret-access-key': secretAccessKey,
    'force-path-style': 'true',
    prefix: PREFIX,
  }
  const lines = Object.entries(keys).map(([key, value]) => `${key} = "${value}"\n`)
  return `type = "s3"\n${lines.join('')}`
}

/** Have a few clients push something each, one after the other; all of it must be acknowledged. */
async function pushSome(server: ServerProcess, { next }: Pusher, journal: Journal, rounds = 3): Promise<void> {
  await Promise.all(
    Array.from({ length: 5 }, async (_, client) => {
      for (let round = 0; round < rounds; round++) {
        for (const artifact of await next(client)) {
          expect(Math.floor((await artifact.send(server.url)) / 100), artifact.name).toBe(2)
          journal.set(artifact, 'acknowledged')
        }
      }
    }),
  )
}

interface Pusher {
  readonly next: (client: number) => Promise<readonly Artifact[]>
}

function pusher(): Pusher {
  const random = seededRandom(SEED)
  return artifactMaker(SEED, random, () => Math.round(5_000 * 100 ** random()))
}

interface Listed {
  readonly name: string
  readonly blobs: number
  readonly state: string
}

async function listed(config: string): Promise<Readonly<Record<string, Listed>>> {
  const { stdout } = await runDepot(['store', 'list', '--json', '--config', config])
  const lines = stdout.trim().split('\n')
  const stores = lines.map((line) => JSON.parse(line) as Listed)
  return Object.fromEntries(stores.map((store) => [store.name, store]))
}

/** Kinds of what is found, sorted, the summary left out. */
async function findings(config: string): Promise<readonly string[]> {
  const { stdout } = await runDepot(['fsck', '--full', '--config', config, '--json'])
  const lines = stdout.trim().split('\n')
  return lines
    .map((line) => (JSON.parse(line) as { kind: string }).kind)
    .filter((kind) => kind !== 'summary')
    .toSorted()
}

/** What readers get of each while a store is down: whole, or a 503. */
async function readable(server: ServerProcess, journal: Journal): Promise<{ whole: number; refused: number }> {
  const outcomes = await Promise.all([...journal.keys()].map((artifact) => artifact.verify(server.url)))
  const refused = outcomes.filter((outcome) => outcome.endsWith('status 503')).length
  const whole = outcomes.filter((outcome) => outcome === 'whole').length
  expect(outcomes.filter((outcome) => outcome !== 'whole' && !outcome.endsWith('status 503'))).toEqual([])
  return { whole, refused }
}

const NEAR_FAILED = /"store":"near","code":"STORAGE_DOWN"/

describeWith(['s3', 's3Second'], 'a server with stores on a disk and in two buckets', () => {
  it.each(['round-robin', 'in-order', 'split', 'least-used'] as const)(
    'takes every upload while one of the buckets is down, and serves what lies elsewhere: %s',
    { timeout: 120_000 },
    async (placement) => {
      await using places = await openPlaces()
      const { near } = places.proxies
      // In order, the one that fails comes first.
      const config = await places.configure(placement, ['near', 'disk', 'far'])
      const [journal, maker]: [Journal, Pusher] = [new Map(), pusher()]
      await using server = await places.start(config)
      await pushSome(server, maker, journal)
      const before = await places.buckets.near.keys()
      expect(before.length).toBeGreaterThan(0)

      near.judge = () => 'lost'
      const meanwhile: Journal = new Map()
      // Another one may be the least used for as long as a few large blobs take to come: a store is missed when its turn comes.
      do await pushSome(server, maker, meanwhile)
      while (!NEAR_FAILED.test(server.logs()))
      expect(await broken(server, meanwhile)).toEqual([])
      const { refused } = await readable(server, journal)
      expect(refused).toBeGreaterThan(0)
      expect(await places.buckets.near.keys()).toEqual(before)
      expect(server.logs().split(NEAR_FAILED)).toHaveLength(2)

      near.judge = () => undefined
      await expect
        .poll(() => pushSome(server, maker, journal, 1).then(() => places.buckets.near.keys()), {
          timeout: 30_000,
          interval: 1000,
        })
        .not.toEqual(before)
      expect(await broken(server, new Map([...journal, ...meanwhile]))).toEqual([])
      await server.stop()
      const stores = await listed(config)
      expect(stores['near']?.blobs).toBe((await places.buckets.near.keys()).length)
      expect(stores['far']?.blobs).toBe((await places.buckets.far.keys()).length)
      expect(stores['disk']?.blobs ?? -1).toBe(filesIn(places.dir.join('disk')).length)
      expect(await findings(config)).toEqual([])
    },
  )

  it('says 503 when all of them are down, stores nothing by halves, and takes the same upload afterwards', async () => {
    await using places = await openPlaces()
    const config = await places.configure('round-robin', ['near', 'far'])
    const maker = pusher()
    await using server = await places.start(config)
    const { near, far } = places.proxies
    const artifacts = (await Promise.all([1, 2, 3].map((client) => maker.next(client)))).flat()
    const uploads = artifacts.filter(({ name }) => !name.startsWith('narinfo'))
    near.judge = far.judge = () => 'lost'
    expect(await Promise.all(uploads.map(({ send }) => send(server.url)))).toEqual(uploads.map(() => 503))
    near.judge = far.judge = () => undefined
    expect([...(await places.buckets.near.keys()), ...(await places.buckets.far.keys())]).toEqual([])
    expect(await Promise.all(uploads.map(({ verify }) => verify(server.url)))).toEqual(uploads.map(() => 'absent'))
    await expect.poll(() => uploads[0]?.send(server.url), { timeout: 15_000, interval: 500 }).toBeLessThan(300)
    for (const { send } of uploads) expect(await send(server.url)).toBeLessThan(300)
    expect(await Promise.all(uploads.map(({ verify }) => verify(server.url)))).toEqual(uploads.map(() => 'whole'))
    await server.stop()
    expect(await findings(config)).toEqual([])
  })

  it.each(['lost', 'silent'] as const)(
    'starts while a bucket that holds blobs is down, serves the others, and has it back when it comes: %s',
    { timeout: 120_000 },
    async (fault) => {
      await using places = await openPlaces()
      const { near } = places.proxies
      const config = await places.configure('round-robin', ['near', 'disk'])
      const [journal, maker]: [Journal, Pusher] = [new Map(), pusher()]
      {
        await using server = await places.start(config)
        await pushSome(server, maker, journal)
        await server.stop()
      }
      near.judge = () => fault
      await using server = await places.start(config)
      expect(server.logs()).toContain("the store 'near'")
      const { whole, refused } = await readable(server, journal)
      expect([whole > 0, refused > 0]).toEqual([true, true])
      await pushSome(server, maker, journal, 1)
      expect((await listed(config))['near']?.state).toBe('down')

      near.judge = () => undefined
      await expect.poll(() => broken(server, journal), { timeout: 30_000, interval: 1000 }).toEqual([])
      const before = await places.buckets.near.keys()
      await expect
        .poll(() => pushSome(server, maker, journal, 1).then(() => places.buckets.near.keys()), {
          timeout: 30_000,
          interval: 1000,
        })
        .not.toEqual(before)
      await server.stop()
      expect(await findings(config)).toEqual([])
    },
  )

  it('gives who was sent to a bucket what has moved from there meanwhile', { timeout: 120_000 }, async () => {
    await using places = await openPlaces()
    const config = await places.configure('in-order', ['near', 'disk'])
    const redirect = ['--s3-redirect', 'always']
    const options = { dataDir: places.dir.join('data'), args: ['--config', config, ...redirect] }
    await using server = await startServerProcess(options)
    const file = buildWheel({ name: 'stored', version: '1.0' })
    expect(await uploadFile(server.url, file)).toBe(200)
    const ask = () => fetch(`${server.url}/python/files/stored/${file.filename}`, { redirect: 'manual' })
    const sentTo = (await ask()).headers.get('location') ?? ''
    expect(sentTo).toContain(PREFIX)

    const args = ['store', 'move', 'near', 'disk', '--config', config]
    const move = spawn(process.execPath, [LAUNCHER, ...args, ...redirect], { env: cleanEnv(places.dir.path, {}) })
    const exited = once(move, 'exit')
    await expect.poll(() => ask().then(({ status }) => status), { timeout: 60_000 }).toBe(200)
    expect(file.bytes.equals(await (await fetch(sentTo)).bytes())).toBe(true)
    move.kill()
    await exited
    expect(await places.buckets.near.keys()).not.toEqual([])
    expect(await finishedMove(config, ['near', 'disk'])).toBe(0)
    expect(await places.buckets.near.keys()).toEqual([])
    expect((await fetch(sentTo)).status).toBe(404)
    expect(await servesFile(server.url, 'stored', file)).toBe(true)
    await server.stop()
    expect(await findings(config)).toEqual([])
  })

  it(
    'serves everything while blobs move into a bucket and back, though the move is killed again and again',
    { timeout: 180_000 },
    async () => {
      await using places = await openPlaces()
      const [journal, maker]: [Journal, Pusher] = [new Map(), pusher()]
      {
        await using server = await places.start(await places.configure('in-order', ['disk', 'near']))
        await pushSome(server, maker, journal, 4)
        await server.stop()
      }
      const config = await places.configure('in-order', ['disk', 'near'], 'disk')
      await using server = await places.start(config)
      await using _load = busy(server, maker, journal)
      for (const step of [5, 12]) await killedMove(places, config, ['disk', 'near'], step)
      expect(await finishedMove(config, ['disk', 'near'])).toBe(0)
      expect(filesIn(places.dir.join('disk'))).toEqual([])
      expect(await broken(server, new Map(journal))).toEqual([])

      await killedMove(places, config, ['near', 'disk'], 8)
      expect(await broken(server, new Map(journal))).toEqual([])
      await _load[Symbol.asyncDispose]()
      expect(await finishedMove(config, ['near', 'disk'])).toBe(0)
      expect(await places.buckets.near.keys()).toEqual([])
      expect(await broken(server, journal)).toEqual([])
      await server.stop()
      expect(server.logs()).not.toContain('"level":50')
      expect(await findings(config)).toEqual([])
    },
  )
})

/** Clients that push, and read back what was pushed, until it is disposed. Nothing may fail. */
function busy(server: ServerProcess, { next }: Pusher, journal: Journal): AsyncDisposable {
  let isOver = false
  const clients = [1, 2].map(async (client) => {
    while (!isOver) {
      for (const artifact of await next(client)) {
        expect(Math.floor((await artifact.send(server.url)) / 100), artifact.name).toBe(2)
        journal.set(artifact, 'acknowledged')
      }
      const some = [...journal].slice(client * 10, client * 10 + 8)
      expect(await broken(server, new Map(some))).toEqual([])
      await sleep(BUSY_PAUSE_MS)
    }
  })
  return {
    async [Symbol.asyncDispose]() {
      isOver = true
      await Promise.all(clients)
    },
  }
}

/** A client does something else now and then, and the machine something else than clients. */
const BUSY_PAUSE_MS = 200

/** A move that is killed when it asks the bucket for the so-many-th time to change something. */
async function killedMove(
  { proxies: { near }, dir }: Places,
  config: string,
  [from, to]: readonly [string, string],
  step: number,
): Promise<void> {
  const child = spawn(process.execPath, [LAUNCHER, 'store', 'move', from, to, '--config', config], {
    env: cleanEnv(dir.path, {}),
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  const exited = once(child, 'exit')
  const said = text(child.stderr)
  let changes = 0
  const method = to === 'near' ? 'PUT' : 'DELETE'
  // What the server puts there is counted too: the move only dies the sooner.
  near.judge = (request) => {
    if (request.method === method && ++changes === step) child.kill('SIGKILL')
    return undefined
  }
  await exited
  near.judge = () => undefined
  expect([child.signalCode, await said]).toEqual(['SIGKILL', ''])
}

async function finishedMove(config: string, [from, to]: readonly [string, string]): Promise<number | null> {
  const { status, stderr } = await runDepot(['store', 'move', from, to, '--config', config])
  expect(stderr).toBe('')
  return status
}
