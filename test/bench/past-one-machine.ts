import { spawn } from 'node:child_process'
import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { createWriteStream } from 'node:fs'
import { Agent, get, type IncomingMessage } from 'node:http'
import { availableParallelism } from 'node:os'
import path from 'node:path'
import process from 'node:process'
import { setTimeout as sleep } from 'node:timers/promises'

import { fileArchive } from './nar.ts'
import { freePort } from '../helpers/free-port.ts'
import { nix32 } from '../helpers/nar.ts'
import { startOwnPostgres } from '../helpers/own-postgres.ts'
import { startS3Server } from '../helpers/s3-server.ts'
import { createBucket } from '../helpers/s3.ts'
import { fillNix, fillNpm } from './fill.ts'
import { drive, median, mediansInTurn, output, roundsOf, secondsFor } from './load.ts'
import type { Row } from './report.ts'
import { type BenchServer, memoryOfAll, startDepot, started } from './servers.ts'

const ROUNDS = 3
const SECONDS = 4
const MIB = 1024 * 1024
const LARGE_BYTES = 1024 * MIB
const READERS = 100
/** What two servers, their database, and whoever asks them take for themselves. */
const CORES = 5

/** Two servers over PostgreSQL and a bucket, all on this machine: beside one of them, and beside the bucket itself. */
export async function pastOneMachine(dir: string): Promise<readonly Row[]> {
  await using database = await startOwnPostgres()
  await using s3 = await startS3Server(path.join(dir, 's3'))
  await using bucket = await createBucket(s3.url)
  const { endpoint, accessKeyId, secretAccessKey } = bucket
  const values = {
    'database-url': database.url,
    'storage-type': 's3',
    's3-bucket': bucket.bucket,
    's3-endpoint': endpoint,
    's3-access-key-id': accessKeyId,
    's3-secret-access-key': secretAccessKey,
  }
  const settings = [...Object.entries(values).map(([name, value]) => `--${name}=${value}`), '--s3-force-path-style']
  // The same folder for the keys, which both sign with.
  const data = path.join(dir, 'shared', 'data')
  await using first = await startDepot(data, settings)
  await using second = await startDepot(data, [...settings, '--s3-redirect', 'always'])
  const narinfo = (await fillNix(first.url, '0'.repeat(32), 10_000)).narinfoPath
  const packument = await fillNpm(first.url, 'bench-package', 20)
  const nar = await sendLarge(path.join(dir, 'large.nar'), first.url)
  return [
    await twoBesideOne('narinfo', [first, second], narinfo),
    await twoBesideOne('packument', [first, second], packument),
    await redirectBesideNarinfo(second.url, nar, narinfo),
    await streamBesideBucket(first.url, second.url, nar),
    await slowReaders(first, nar),
  ]
}

/** Upload an archive of bytes that no codec makes smaller; returns where it is served as it lies in the bucket. */
async function sendLarge(file: string, url: string): Promise<string> {
  const { head, tail } = fileArchive(LARGE_BYTES)
  const [out, hash] = [createWriteStream(file), createHash('sha256')]
  const write = async (bytes: Uint8Array): Promise<void> => {
    hash.update(bytes)
    if (!out.write(bytes)) await once(out, 'drain')
  }
  await write(head)
  for (let sent = 0; sent < LARGE_BYTES; sent += 16 * MIB) await write(randomBytes(16 * MIB))
  await write(tail)
  await new Promise<void>((resolve) => out.end(resolve))
  const name = nix32(hash.digest())
  await output('curl', ['-fsS', '-T', file, '-H', 'Expect:', '-o', '/dev/null', `${url}/nix/nar/${name}.nar`])
  return `/nix/nar/${name}.nar.zst`
}

async function twoBesideOne(what: string, [first, second]: readonly [BenchServer, BenchServer], where: string) {
  const ask = (server: BenchServer) => drive({ url: server.url + where, connections: 16, seconds: SECONDS })
  const [one, two]: [number[], number[]] = [[], []]
  for (let round = 0; round < roundsOf(ROUNDS); round++) {
    one.push((await ask(first)).perSecond)
    const both = await Promise.all([ask(first), ask(second)])
    two.push(both.reduce((sum, { perSecond }) => sum + perSecond, 0))
  }
  const [ours, theirs] = [median(two), median(one)]
  const cores = availableParallelism()
  const isAimed = cores >= CORES
  return {
    name: `${what} GETs of two servers over PostgreSQL and S3, ${cores} cores for all`,
    ours: `${ours.toFixed(0)}/s`,
    peer: `one of them ${theirs.toFixed(0)}/s`,
    ratio: ours / theirs,
    target: isAimed ? '>= 1.7' : '',
    met: !isAimed || ours / theirs >= 1.7,
  } satisfies Row
}

async function redirectBesideNarinfo(url: string, nar: string, narinfo: string): Promise<Row> {
  const { redirect = NaN, document = NaN } = await mediansInTurn(
    ROUNDS,
    { redirect: nar, document: narinfo },
    async (where) => (await drive({ url: url + where, connections: 1, seconds: SECONDS })).p50Ms,
  )
  return {
    name: 'redirect of a NAR to the bucket, one connection, p50',
    ours: `${redirect.toFixed(2)} ms`,
    peer: `narinfo GET ${document.toFixed(2)} ms`,
    ratio: undefined,
    target: '< 2 ms more',
    met: redirect - document < 2,
  }
}

async function streamBesideBucket(url: string, redirecting: string, nar: string): Promise<Row> {
  const direct = async (): Promise<string> => {
    const { headers } = await fetch(redirecting + nar, { redirect: 'manual' })
    return headers.get('location') ?? ''
  }
  await using bare = await startBareRelay(new URL(await direct()).origin)
  const relayed = async (): Promise<string> => {
    const { pathname, search } = new URL(await direct())
    return bare.url + pathname + search
  }
  const {
    ours = NaN,
    theirs = NaN,
    relay = NaN,
  } = await mediansInTurn(ROUNDS, { ours: async () => url + nar, theirs: direct, relay: relayed }, async (where) => {
    const from = await where()
    return secondsFor(() => output('curl', ['-fsS', '-o', '/dev/null', from]))
  })
  const rate = (seconds: number): string => `${(LARGE_BYTES / MIB / seconds).toFixed(0)} MiB/s`
  return {
    name: '1 GiB NAR out of the bucket, streamed',
    ours: rate(ours),
    peer: `the S3 server itself ${rate(theirs)}, through a bare Node relay ${rate(relay)}`,
    ratio: theirs / ours,
    target: '>= 0.8',
    met: theirs / ours >= 0.8,
  }
}

async function startBareRelay(origin: string): Promise<BenchServer> {
  const port = await freePort()
  const script = path.join(import.meta.dirname, 'bare-relay.ts')
  const args = [script, String(port), origin]
  return started(spawn(process.execPath, args, { stdio: 'ignore' }), port, '/healthz')
}

/** Memory with readers that take a little of it now and then. */
async function slowReaders({ url, pid }: BenchServer, nar: string): Promise<Row> {
  const before = memoryOfAll(pid)
  const agent = new Agent()
  const answers = await Promise.all(
    Array.from({ length: READERS }, async () => {
      const [answer] = (await once(get(url + nar, { agent }), 'response')) as [IncomingMessage]
      return answer.on('error', () => {}).pause()
    }),
  )
  let [early, highest] = [0, 0]
  for (let turn = 0; turn < 60; turn++) {
    for (const answer of answers) answer.read()
    await sleep(100)
    if (turn < 20) early = Math.max(early, memoryOfAll(pid))
    else highest = Math.max(highest, memoryOfAll(pid))
  }
  for (const answer of answers) answer.destroy()
  agent.destroy()
  return {
    name: `memory with ${READERS} slow readers of a 1 GiB NAR in the bucket`,
    ours: `${highest.toFixed(0)} MB`,
    peer: `in their first two seconds ${early.toFixed(0)} MB, before them ${before.toFixed(0)} MB`,
    ratio: early / highest,
    target: '>= 0.9',
    met: early / highest >= 0.9,
  }
}
