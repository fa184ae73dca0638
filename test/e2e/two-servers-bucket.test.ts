import { randomBytes } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'

import { expect, it } from 'vitest'

import { startS3Proxy, type S3Fault } from '../faults/s3-proxy.ts'
import { clientRounds, goOn, type ClientRounds } from '../helpers/client-rounds.ts'
import { describeWith, have } from '../helpers/have.ts'
import { sha256Hex } from '../helpers/nar.ts'
import { createDatabase } from '../helpers/postgres-database.ts'
import { nginxExample } from '../helpers/proxy-examples.ts'
import { s3Environment } from '../helpers/s3-store.ts'
import { createBucket } from '../helpers/s3.ts'
import { startTwoServers, type TwoServers } from '../helpers/two-servers.ts'
import { buildWheel } from '../helpers/wheel.ts'

const POLL = { timeout: 60_000 }

interface Bucketed extends AsyncDisposable {
  readonly servers: TwoServers
  readonly rounds: ClientRounds
  /** What goes wrong with a request of the servers to S3, from here on. */
  failBy(judge: () => S3Fault): void
}

/** Two servers behind nginx, over PostgreSQL and a bucket. */
async function startBucketed(isPatient: boolean): Promise<Bucketed> {
  await using opening = new AsyncDisposableStack()
  const database = opening.use(await createDatabase())
  const bucket = opening.use(await createBucket(have.paths.s3))
  const s3 = opening.use(await startS3Proxy(bucket.endpoint))
  const env = s3Environment({ ...bucket, endpoint: s3.endpoint })
  const servers = opening.use(await startTwoServers(database.url, nginxExample, env))
  const rounds = opening.use(await clientRounds(servers, isPatient))
  const opened = opening.move()
  return {
    servers,
    rounds,
    failBy(judge) {
      s3.judge = judge
    },
    [Symbol.asyncDispose]: () => opened.disposeAsync(),
  }
}

/** Wheels by their path, with what they have to be. */
async function putWheels({ ask }: TwoServers): Promise<ReadonlyMap<string, string>> {
  const wheels = new Map<string, string>()
  for (const [index, sizeBytes] of [1000, 200_000, 3_000_000].entries()) {
    const extra = [{ name: 'demo/data.bin', content: randomBytes(sizeBytes) }]
    const { filename, bytes } = buildWheel({ name: `wheel-${index}`, version: '1.0', extra })
    expect((await ask('PUT', `/python/wheel-${index}/${filename}`, Buffer.from(bytes))).status).toBe(201)
    wheels.set(`/python/files/wheel-${index}/${filename}`, sha256Hex(bytes))
  }
  return wheels
}

type Outcome = 'right' | 'later' | 'cut'

/** Read wheels again and again. @throws Error for bytes that are not theirs, and for any answer but 200, 503 with Retry-After, and one that is cut */
async function readOn(
  { ask }: TwoServers,
  wheels: ReadonlyMap<string, string>,
  { outcomes, stop }: { readonly outcomes: Outcome[]; readonly stop: AbortSignal },
): Promise<void> {
  while (!stop.aborted)
    for (const [at, digest] of wheels) {
      const answer = await ask('GET', at).catch(() => undefined)
      if (answer === undefined) outcomes.push('cut')
      else if (answer.status === 200 && sha256Hex(answer.body) === digest) outcomes.push('right')
      else if (answer.status === 503 && Number(answer.headers['retry-after']) > 0) outcomes.push('later')
      else
        throw new Error(
          `${at}: ${answer.status}, ${answer.body.byteLength} bytes, ${answer.body.toString('utf8', 0, 200)}`,
        )
    }
}

describeWith(['postgres', 's3', 'openssl', 'nix', 'npm', 'pip', 'nginx'], 'two servers over a bucket', () => {
  it('are restarted one after the other behind nginx, and no request of anybody fails', async () => {
    await using bucketed = await startBucketed(false)
    const { servers, rounds } = bucketed
    const stop = new AbortController()
    const work = Promise.all([
      goOn('nix', rounds.nix, stop.signal),
      goOn('npm', rounds.npm, stop.signal),
      goOn('pip', rounds.pip, stop.signal),
      goOn('plain', rounds.plain, stop.signal),
    ])
    async function restartAll(): Promise<void> {
      await sleep(1000)
      for (const index of [0, 1] as const) {
        await servers.restart(index, 'SIGTERM')
        await sleep(2500)
      }
    }
    await Promise.race([work, restartAll()])
    stop.abort()
    expect(Math.min(...(await work))).toBeGreaterThan(1)
  }, 180_000)

  it('say 503 and when to come again while S3 fails, serve nothing wrong or short, and are back when it is', async () => {
    await using bucketed = await startBucketed(true)
    const { servers, rounds, failBy } = bucketed
    await Promise.all([rounds.nix('before'), rounds.npm('before'), rounds.pip('before')])
    const wheels = await putWheels(servers)
    const stop = new AbortController()
    const outcomes: Outcome[] = []
    const count = (kind: Outcome) => outcomes.filter((outcome) => outcome === kind).length
    const reading = Promise.all([1, 2, 3].map(() => readOn(servers, wheels, { outcomes, stop: stop.signal })))
    async function failAndRecover(): Promise<void> {
      await expect.poll(() => count('right'), POLL).toBeGreaterThan(20)
      failBy(() => 'internal-error')
      const clients = Promise.all([rounds.again.nix('before'), rounds.again.npm('before'), rounds.again.pip('before')])
      await expect.poll(() => count('later'), POLL).toBeGreaterThan(2)
      expect((await servers.ask('GET', '/python/simple/wheel-0/')).status).toBe(200)
      const faults: readonly S3Fault[] = ['slow-down', 'lost', 'reset', 'short', undefined]
      let asked = 0
      failBy(() => faults[asked++ % faults.length])
      await sleep(3000)
      failBy(() => undefined)
      // They tried again by themselves until they had it.
      await clients
    }
    await Promise.race([reading, failAndRecover()])
    stop.abort()
    await reading
    for (const [at, digest] of wheels) {
      const answers = await Promise.all(Array.from({ length: 10 }, () => servers.ask('GET', at)))
      for (const { status, body } of answers) expect([status, sha256Hex(body)]).toEqual([200, digest])
    }
    await rounds.plain('after')
    for (const address of servers.addresses) expect((await fetch(`${address}/readyz`)).status).toBe(200)
  }, 180_000)
})
