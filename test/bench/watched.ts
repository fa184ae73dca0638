import { mkdirSync } from 'node:fs'
import path from 'node:path'

import { openStorage } from '../../storage/open.ts'
import type { Batches } from '../helpers/many-records.ts'
import { median } from './load.ts'
import { startProbe, type Noticed, type Probe } from './probe.ts'
import type { Row } from './run.ts'
import { startDepot, type BenchServer } from './servers.ts'

const ROUNDS = 3

/** A depot over records that nobody had to upload, and somebody else who asks it all the time. */
export interface Watched extends AsyncDisposable {
  readonly depot: BenchServer
  readonly probe: Probe
  /** How long an answer takes at the longest while nothing goes on. */
  readonly idleMs: number
}

/** @param args further flags of the server */
export async function watched(dir: string, records: Iterable<Batches>, args: readonly string[] = []): Promise<Watched> {
  const data = path.join(dir, 'data')
  mkdirSync(data, { recursive: true })
  await fill(data, records)
  const depot = await startDepot(data, args)
  const probe = await startProbe(depot.url)
  await probe.during(idle)
  return {
    depot,
    probe,
    idleMs: (await probe.during(idle)).longestMs,
    async [Symbol.asyncDispose]() {
      await probe[Symbol.asyncDispose]()
      await depot[Symbol.asyncDispose]()
    },
  }
}

const idle = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 1000))

/** Straight into the database of a depot that is not running. */
async function fill(storePath: string, records: Iterable<Batches>): Promise<void> {
  const databaseUrl = `sqlite://${storePath}/depot.db`
  const { kv, blobs } = await openStorage({ storePath, databaseUrl, storageType: 'fs' })
  for (const batches of records) for (const puts of batches) await kv.commit({ cache: 1, puts })
  await kv[Symbol.asyncDispose]()
  await blobs[Symbol.asyncDispose]()
}

/** The longest that others wait, as the median of rounds; `work` gets the number of its round and returns what was answered. */
export async function held(
  { probe, idleMs }: Watched,
  name: string,
  work: (round: number) => Promise<string>,
  { rounds = ROUNDS, aimMs = 200 }: { readonly rounds?: number; readonly aimMs?: number } = {},
): Promise<Row> {
  const all: Noticed[] = []
  let answered = ''
  for (let round = 0; round < rounds; round++) all.push(await probe.during(async () => (answered = await work(round))))
  const longestMs = median(all.map((noticed) => noticed.longestMs))
  const tookMs = median(all.map((noticed) => noticed.tookMs))
  return {
    name: `longest wait of others: ${name}`,
    ours: `${longestMs.toFixed(0)} ms (${answered} after ${tookMs.toFixed(0)} ms)`,
    peer: `idle ${idleMs.toFixed(0)} ms`,
    ratio: undefined,
    target: `< ${aimMs} ms`,
    met: longestMs < aimMs,
  }
}

/** What was answered, read to its end: its status. @throws Error when it is none of the expected */
export async function statusOf(asked: Promise<Response>, ...expected: readonly number[]): Promise<string> {
  const answer = await asked
  const text = await answer.text()
  if (!expected.includes(answer.status)) throw new Error(`${answer.url}: ${answer.status} ${text.slice(0, 500)}`)
  return String(answer.status)
}
