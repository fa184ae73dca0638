import { createHash, randomBytes } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import process from 'node:process'
import { setTimeout as sleep } from 'node:timers/promises'

import { expect, it } from 'vitest'

import { LIMITS } from '../../src/limits.ts'
import { describeWith, have } from '../helpers/have.ts'
import { publishOf, tarballOf } from '../helpers/npm-fixtures.ts'
import { createBucket } from '../helpers/s3.ts'
import { SEED } from '../helpers/seed.ts'
import { storePathOf } from '../helpers/store-path.ts'
import { s3Settings } from '../helpers/storage-pairs.ts'
import { startWorld, type World } from '../helpers/world.ts'
import { artifactMaker, seededRandom } from './artifacts.ts'
import { startS3Proxy, type S3Fault, type S3Proxy } from './s3-proxy.ts'

const UPLOADS = Number(process.env['DEPOT_TEST_UPLOADS'] ?? 300)
const CLIENTS = 64

interface Troubled extends AsyncDisposable {
  readonly world: World
  readonly s3: S3Proxy
}

async function startTroubled(): Promise<Troubled> {
  await using starting = new AsyncDisposableStack()
  const bucket = starting.use(await createBucket(have.paths.s3))
  const s3 = starting.use(await startS3Proxy(bucket.endpoint))
  const settings = { ...s3Settings({ ...bucket, endpoint: s3.endpoint }), 'storage-type': 's3' }
  const world = starting.use(await startWorld({ settings }))
  const started = starting.move()
  return { world, s3, [Symbol.asyncDispose]: () => started.disposeAsync() }
}

const isRead = ({ method, url = '' }: IncomingMessage): boolean => method === 'GET' && url.includes('/sha256/')

describeWith('s3', 'a server whose S3 is in trouble', () => {
  it(
    `answers as if nothing were while one in ten requests to S3 fails (DEPOT_TEST_SEED=${SEED})`,
    { timeout: 240_000 },
    async () => {
      await using troubled = await startTroubled()
      const random = seededRandom(SEED)
      const maker = artifactMaker(SEED, random, () => Math.round(5_000 * 20 ** random()))
      const faults: readonly S3Fault[] = [
        'slow-down',
        'internal-error',
        'lost',
        'silent',
        'reset',
        'unanswered',
        'short',
      ]
      troubled.s3.judge = () => (random() < 0.1 ? faults[Math.floor(random() * faults.length)] : undefined)
      const outcomes: string[] = []
      await Promise.all(
        Array.from({ length: CLIENTS }, async (_, client) => {
          while (outcomes.length < UPLOADS * 2) {
            for (const artifact of await maker.next(client)) {
              const status = await artifact.send(troubled.world.url).catch(String)
              outcomes.push(typeof status === 'number' && status < 300 ? 'whole' : `${artifact.name}: ${status}`)
              outcomes.push(await artifact.verify(troubled.world.url).catch(String))
            }
          }
        }),
      )
      const failed = outcomes.filter((outcome) => outcome !== 'whole')
      expect(failed.filter((outcome) => outcome.includes('other bytes'))).toEqual([])
      expect(failed.slice(0, outcomes.length / 1000)).toEqual(failed)
      expect(troubled.world.bugs).toEqual([])
    },
  )

  it('asks beside what is not answered, and takes the first answer', async () => {
    await using troubled = await startTroubled()
    const { s3, world } = troubled
    const asked = new Map<string, number>()
    s3.judge = ({ method, url = '' }) => {
      if (!url.includes('/sha256/')) return undefined
      const times = (asked.get(`${method} ${url}`) ?? 0) + 1
      asked.set(`${method} ${url}`, times)
      return times === 1 ? 'silent' : times === 2 ? 'unanswered' : undefined
    }
    const began = performance.now()
    const { url, content } = await publish(world, 3000)
    expect(await outcomeOf(url, content)).toBe('whole')
    expect([...asked.values()]).toEqual([...asked.values()].map(() => 3))
    // Each of the three would wait twice for what one attempt may take.
    expect(performance.now() - began).toBeLessThan(asked.size * 2 * LIMITS.s3AttemptMs)
  })

  it.each(['reset', 'unanswered'] as const)(
    'acknowledges an upload in parts whose last step was carried out and lost its answer: %s',
    async (fault) => {
      await using troubled = await startTroubled()
      let completed = 0
      const isLastStep = ({ method, url = '' }: IncomingMessage) => method === 'POST' && url.includes('uploadId=')
      troubled.s3.judge = (request) => (isLastStep(request) && ++completed === 1 ? fault : undefined)
      const { url, content } = await push(troubled.world, 2 * LIMITS.s3PartBytes)
      expect(completed).toBeGreaterThan(1)
      expect(await outcomeOf(url, content)).toBe('whole')
    },
  )

  it.each(['slow-down', 'silent'] as const)(
    'says when to come back while S3 fails altogether, and goes on as soon as S3 does: %s',
    async (fault) => {
      await using troubled = await startTroubled()
      const { world, s3 } = troubled
      const { url, upload, narinfo } = await push(world)
      s3.judge = () => fault
      const asks = [() => fetch(url), () => upload(), () => fetch(url, { method: 'HEAD' })]
      for (const answer of await Promise.all(asks.map((ask) => ask()))) {
        expect(answer.status).toBe(503)
        expect(Number(answer.headers.get('retry-after'))).toBeGreaterThan(0)
        expect(Number(answer.headers.get('retry-after'))).toBeLessThanOrEqual(10)
      }
      // What needs no bytes goes on.
      expect((await fetch(narinfo)).status).toBe(200)
      s3.judge = () => undefined
      await sleep(5000)
      expect((await fetch(url)).status).toBe(200)
      expect((await upload()).status).toBe(200)
      expect(world.bugs).toEqual([])
    },
  )

  it.each(['short', 'stall', 'false-etag'] as const)(
    'sends whole bytes though one answer is spoiled: %s',
    async (fault) => {
      await using troubled = await startTroubled()
      const { url, content } = await publish(troubled.world)
      let reads = 0
      troubled.s3.judge = (request) => (isRead(request) && ++reads === 1 ? fault : undefined)
      expect((await fetch(url).then((answer) => answer.arrayBuffer())).byteLength).toBe(content.byteLength)
      expect(await outcomeOf(url, content)).toBe('whole')
      expect(reads).toBeGreaterThan(1)
    },
  )

  it.each(['short', 'shrunk', 'reset', 'false-etag'] as const)(
    'never sends wrong or short bytes as whole when all answers are spoiled, and has all as soon as they are good again: %s',
    async (fault) => {
      await using troubled = await startTroubled()
      const { world, s3 } = troubled
      const things = [await publish(world), await push(world)]
      const outcomes = () => Promise.all(things.map(({ url, content }) => outcomeOf(url, content)))
      s3.judge = (request) => (isRead(request) ? fault : undefined)
      expect(['whole', 'refused', 'cut']).toEqual(expect.arrayContaining(await outcomes()))
      if (fault === 'shrunk') {
        for (const { url } of things) expect((await fetch(url)).status).toBe(503)
        expect(world.misread).toHaveLength(1)
      }
      s3.judge = () => undefined
      expect(await outcomes()).toEqual(['whole', 'whole'])
    },
  )

  it('sends an archive whole though a byte of it is spoiled on its way, once', async () => {
    await using troubled = await startTroubled()
    const { url, content } = await push(troubled.world)
    let reads = 0
    troubled.s3.judge = (request) => (isRead(request) && ++reads === 1 ? 'flipped' : undefined)
    expect(await outcomeOf(url, content)).toBe('whole')
    expect(reads).toBeGreaterThan(1)
  })
})

/** What a client makes of an answer. */
async function outcomeOf(url: string, content: Buffer): Promise<'whole' | 'refused' | 'cut' | 'other bytes'> {
  const answer = await fetch(url).catch(() => undefined)
  if (answer === undefined) return 'cut'
  const body = await answer.arrayBuffer().catch(() => undefined)
  if (body === undefined) return 'cut'
  if (answer.status !== 200) return 'refused'
  return sha256(Buffer.from(body)) === sha256(content) ? 'whole' : 'other bytes'
}

/** A store path of some megabytes: kept as frames. */
async function push({ url: base }: World, sizeBytes = 3_000_000) {
  const { file, packed, key, narinfo, nar, narHash } = storePathOf('troubled', randomBytes(sizeBytes), 'none')
  const upload = () => put(`${base}/nix/nar/${file}`, packed)
  expect((await upload()).status).toBeLessThan(300)
  expect((await put(`${base}/nix/${key}.narinfo`, Buffer.from(narinfo))).status).toBeLessThan(300)
  return { url: `${base}/nix/nar/${narHash}.nar`, narinfo: `${base}/nix/${key}.narinfo`, content: nar, upload }
}

/** A package of some megabytes: kept as it is. */
async function publish({ url: base }: World, sizeBytes = 3_000_000) {
  const packageJson = { name: 'troubled', version: '1.0.0' }
  const content = await tarballOf(packageJson, [{ name: 'package/data', content: randomBytes(sizeBytes) }])
  const body = Buffer.from(JSON.stringify(publishOf(packageJson, content)))
  const upload = () => put(`${base}/npm/troubled`, body, 'application/json')
  expect((await upload()).status).toBe(201)
  return { url: `${base}/npm/troubled/-/troubled-1.0.0.tgz`, content, upload }
}

async function put(url: string, body: Buffer, type = 'application/octet-stream'): Promise<Response> {
  const answer = await fetch(url, { method: 'PUT', headers: { 'Content-Type': type }, body: Uint8Array.from(body) })
  await answer.arrayBuffer()
  return answer
}

function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex')
}
