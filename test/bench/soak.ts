import { execFileSync } from 'node:child_process'
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import process from 'node:process'
import { setTimeout as sleep } from 'node:timers/promises'

import { findSigners } from '../../auth/identity.ts'
import { sshTokenSource } from '../../auth/ssh-token-source.ts'
import type { TokenSource } from '../../src/client/token-source.ts'
import { heapGrowth, type HeapGrowth } from './heap-growth.ts'
import type { Row } from './report.ts'
import { memory, startDepot, type BenchServer } from './servers.ts'
import { soakLoad } from './soak-load.ts'

const MINUTES = Number(process.env['BENCH_SOAK_MINUTES'] ?? 60)
/** Where everything that was seen is written, beside the rows. */
const JSON_FILE = process.env['BENCH_SOAK_JSON']
/** What a small machine does beside its other work. */
const STEPS_PER_SECOND = 5
const UNDER_WAY_MAX = 4
const SAMPLE_EVERY_MS = 5000
/** Until then, caches are filled. */
const WARM_SHARE = 0.1
const MB = 1024 * 1024

interface Sample {
  readonly seconds: number
  readonly rssMb: number
  readonly descriptors: number
}

/** An hour (`BENCH_SOAK_MINUTES`) of mixed load at a moderate rate: what of it stays in memory. */
export async function soak(dir: string): Promise<readonly Row[]> {
  const snapshots = path.join(dir, 'snapshots')
  mkdirSync(snapshots, { recursive: true })
  const key = path.join(dir, 'key')
  execFileSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', key])
  writeFileSync(path.join(dir, 'auth.keys'), `w ${readFileSync(`${key}.pub`, 'utf8')}`)
  await using depot = await startWatched(dir, snapshots)
  const newLogin = await logins(key, depot.url)
  const authorization = await makeToken(depot.url, newLogin())
  const load = soakLoad({ url: depot.url, authorization, newLogin })

  const seen: Sample[] = []
  const began = performance.now()
  const elapsed = (): number => (performance.now() - began) / 1000
  const warm = await drive(depot.pid, load, { seen, elapsed, untilSeconds: MINUTES * 60 * WARM_SHARE })
  await snapshot(depot, snapshots, 1)
  const rest = await drive(depot.pid, load, { seen, elapsed, untilSeconds: MINUTES * 60 })
  await snapshot(depot, snapshots, 2)

  const [before = '', after = ''] = snapshotsIn(snapshots).map((name) => path.join(snapshots, name))
  const growth = await heapGrowth(before, after)
  const measured = { seen, growth, steps: warm + rest }
  if (JSON_FILE !== undefined) writeFileSync(JSON_FILE, JSON.stringify(measured, undefined, 1))
  return rowsOf(measured)
}

interface Driving {
  readonly seen: Sample[]
  readonly elapsed: () => number
  readonly untilSeconds: number
}

/** Steps at their rate, a few at once, and a look at the memory now and then; returns how many there were. */
async function drive(
  pid: number,
  load: { step(): Promise<void> },
  { seen, elapsed, untilSeconds }: Driving,
): Promise<number> {
  const underWay = new Set<Promise<void>>()
  let failure: unknown
  let steps = 0
  const sampling = setInterval(() => seen.push(sample(pid, elapsed())), SAMPLE_EVERY_MS)
  try {
    while (elapsed() < untilSeconds) {
      const step = load.step().then(
        () => void underWay.delete(step),
        (error: unknown) => {
          underWay.delete(step)
          failure ??= error
        },
      )
      underWay.add(step)
      steps++
      await sleep(1000 / STEPS_PER_SECOND)
      if (underWay.size >= UNDER_WAY_MAX) await Promise.race(underWay)
      if (failure !== undefined) throw failure
    }
    await Promise.all(underWay)
    return steps
  } finally {
    clearInterval(sampling)
  }
}

function sample(pid: number, seconds: number): Sample {
  return { seconds, rssMb: memory(pid).nowMb, descriptors: readdirSync(`/proc/${pid}/fd`).length }
}

/** The built depot, which writes a heap snapshot when it gets a SIGUSR2. */
async function startWatched(dir: string, snapshots: string): Promise<BenchServer> {
  const own = process.env['NODE_OPTIONS']
  process.env['NODE_OPTIONS'] = `--heapsnapshot-signal=SIGUSR2 --diagnostic-dir=${snapshots}`
  try {
    const closed = ['--auth-file', path.join(dir, 'auth.keys'), '--read-auth', 'always']
    return await startDepot(path.join(dir, 'data'), closed)
  } finally {
    if (own === undefined) delete process.env['NODE_OPTIONS']
    else process.env['NODE_OPTIONS'] = own
  }
}

async function logins(identity: string, url: string): Promise<() => TokenSource> {
  const asked = { home: '/nowhere', uid: undefined, agentSocket: undefined, ask: undefined, onRefused: () => {} }
  for await (const signer of findSigners({ ...asked, identity }))
    return () => sshTokenSource({ signer, url: new URL(url), issuer: 'bench' })
  throw new Error(`no key in ${identity}`)
}

async function makeToken(url: string, login: TokenSource): Promise<string> {
  const authorization = (await login.authorization({ method: 'POST', path: '/-/tokens' })) ?? ''
  const body = JSON.stringify({ name: 'soak', grants: ['*:*:*'] })
  const answer = await fetch(`${url}/-/tokens`, { method: 'POST', headers: { authorization }, body })
  if (!answer.ok) throw new Error(`a token: ${answer.status} ${await answer.text()}`)
  return `Bearer ${((await answer.json()) as { token: string }).token}`
}

/** The thread that answers writes it: once it answers again, the file is whole. */
async function snapshot({ pid, url }: BenchServer, folder: string, count: number): Promise<void> {
  process.kill(pid, 'SIGUSR2')
  while (snapshotsIn(folder).length < count) await sleep(100)
  await (await fetch(`${url}/healthz`)).text()
}

function snapshotsIn(folder: string): readonly string[] {
  return readdirSync(folder)
    .filter((name) => name.endsWith('.heapsnapshot'))
    .toSorted()
}

interface Measured {
  readonly seen: readonly Sample[]
  readonly growth: HeapGrowth
  readonly steps: number
}

function rowsOf({ seen, growth, steps }: Measured): readonly Row[] {
  const second = seen.slice(seen.length >> 1)
  const slope = slopePerHour(second)
  const grown = (growth.afterBytes - growth.beforeBytes) / MB
  const peak = Math.max(...seen.map(({ rssMb }) => rssMb))
  const grownFiles = (second.at(-1)?.descriptors ?? NaN) - (second[0]?.descriptors ?? NaN)
  const top = growth.growers
    .slice(0, 5)
    .map(({ name, count, bytes }) => `${name} ${(bytes / 1024).toFixed(0)} KiB in ${count}`)
  return [
    row(
      `RSS slope in the second half of ${MINUTES} min, ${steps} steps`,
      `${slope.toFixed(1)} MB/h, at most ${peak.toFixed(0)} MB`,
      '< 5 MB/h',
      slope < 5,
    ),
    row(
      'live heap, the end against a tenth of the time',
      `${grown.toFixed(2)} MB more (${top.join(', ')})`,
      '< 2 MB',
      grown < 2,
    ),
    row('file descriptors more in the second half', String(grownFiles), '< 20', grownFiles < 20),
  ]
}

function row(name: string, ours: string, target: string, met: boolean): Row {
  return { name, ours, peer: '', ratio: undefined, target, met }
}

/** Least squares. */
function slopePerHour(samples: readonly Sample[]): number {
  const mean = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length
  const x = mean(samples.map(({ seconds }) => seconds))
  const y = mean(samples.map(({ rssMb }) => rssMb))
  const over = samples.reduce((sum, { seconds, rssMb }) => sum + (seconds - x) * (rssMb - y), 0)
  const under = samples.reduce((sum, { seconds }) => sum + (seconds - x) ** 2, 0)
  return (over / under) * 3600
}
