import { cpSync, mkdirSync } from 'node:fs'
import path from 'node:path'

import { busyReads } from './busy-reads.ts'
import { startCeilings } from './ceilings.ts'
import { fillNix, fillNpm, fillPython, fillRecords } from './fill.ts'
import { drive, inTurn, type Load, sideBySide } from './load.ts'
import { refusalRow } from './refusals.ts'
import type { Row } from './report.ts'
import { type Aim, rateRows } from './rows.ts'
import { startDepot } from './servers.ts'

const ROUNDS = 3
const SECONDS = 4
const MIB = 1024 * 1024
const CORGI = { accept: 'application/vnd.npm.install-v1+json' }
const JSON_PAGE = { accept: 'application/vnd.pypi.simple.v1+json' }

interface Case {
  readonly name: string
  readonly path: string
  readonly connections: number
  readonly headers?: Readonly<Record<string, string>>
  /** Beside nginx. */
  readonly aim: Aim
  /** Measured with two workers, too; what is then aimed at. */
  readonly two?: Aim
  /** Measured again with 120,000 records more. */
  readonly crowded?: true
}

/** Hot reads beside nginx and a bare Node server on the same bytes, with one process and with two workers, and with 120,000 more records. */
export async function reads(dir: string): Promise<readonly Row[]> {
  const data = path.join(dir, 'one', 'data')
  const cases = await prepare(data)
  const rows = await besideCeilings(dir, data, cases)
  const again = cases.filter(({ crowded: wanted = false }) => wanted)
  return [...rows, ...(await besideItself(dir, data, cases)), ...(await crowded(dir, data, again))]
}

async function besideCeilings(dir: string, data: string, cases: readonly Case[]): Promise<readonly Row[]> {
  const copy = path.join(dir, 'two', 'data')
  cpSync(data, copy, { recursive: true })
  await using depot = await startDepot(data)
  await using two = await startDepot(copy, ['--workers', '2'])
  const asked = cases.map(({ path: where, headers = {} }) => ({ url: depot.url + where, headers }))
  await using ceilings = await startCeilings(path.join(dir, 'ceilings'), asked)
  const rows: Row[] = []
  for (const [index, item] of cases.entries()) {
    const { name, aim, two: aimOfTwo } = item
    const ofTwo: Record<string, Load> = aimOfTwo ? { two: loadOf(two.url, item) } : {}
    const beside = ceilings.loads(index, loadOf('', item))
    const { one, two: both, ...peers } = await inTurn(ROUNDS, { ...beside, one: loadOf(depot.url, item), ...ofTwo })
    if (one) rows.push(...rateRows({ name, ours: one, peers, aims: { nginx: aim } }))
    if (both && aimOfTwo)
      rows.push(...rateRows({ name: `${name}, two workers`, ours: both, peers, aims: { nginx: aimOfTwo } }))
  }
  return rows
}

/** What is missing, and hot documents while an archive comes in. */
async function besideItself(dir: string, data: string, [narinfo]: readonly Case[]): Promise<readonly Row[]> {
  if (narinfo === undefined) return []
  await using depot = await startDepot(data)
  const found = loadOf(depot.url, narinfo)
  const missing = { ...found, url: `${depot.url}/nix/${'z'.repeat(32)}.narinfo` }
  return [
    await refusalRow('narinfo that is not there (404), 16 connections', missing, found),
    await busyReads(path.join(dir, 'busy'), depot, narinfo.path),
  ]
}

/** The same documents with 120,000 more records: one database beside the other, in turn. */
async function crowded(dir: string, data: string, cases: readonly Case[]): Promise<readonly Row[]> {
  const full = path.join(dir, 'full')
  mkdirSync(full, { recursive: true })
  await prepareDocuments(full)
  await fillRecords(full, 120_000)
  await using few = await startDepot(data)
  await using many = await startDepot(full)
  const rows: Row[] = []
  for (const item of cases) {
    const figures = await sideBySide(
      ROUNDS,
      () => drive(loadOf(many.url, item)),
      () => drive(loadOf(few.url, item)),
    )
    rows.push({
      name: `${item.name}, 120,000 records more`,
      ours: `${figures.perSecond.toFixed(0)}/s`,
      peer: `without them ${figures.peerPerSecond.toFixed(0)}/s`,
      ratio: figures.ratio,
      target: '>= 0.9',
      met: figures.ratio >= 0.9,
    })
  }
  return rows
}

function loadOf(url: string, { path: where, connections, headers }: Case): Load {
  return { url: url + where, connections, seconds: SECONDS, ...(headers === undefined ? {} : { headers }) }
}

async function prepare(data: string): Promise<readonly Case[]> {
  await using depot = await startDepot(data)
  const small = await fillNix(depot.url, '0'.repeat(32), 10_000)
  const large = await fillNix(depot.url, '1'.repeat(32), 64 * MIB)
  return [
    {
      name: 'narinfo GET, 16 connections',
      path: small.narinfoPath,
      connections: 16,
      aim: { ratio: 0.45, p99Ms: 5 },
      two: { ratio: 0.7 },
    },
    {
      name: 'narinfo that the client has (304), 16 connections',
      path: small.narinfoPath,
      connections: 16,
      headers: { 'if-none-match': '*' },
      aim: { ratio: 0.45 },
    },
    {
      name: '10 kB `.nar.zst` GET, 16 connections',
      path: small.narPath,
      connections: 16,
      aim: { ratio: 0.4, p99Ms: 5 },
    },
    { name: '64 MiB `.nar.zst` GET, 4 connections', path: large.narPath, connections: 4, aim: { ratio: 1 } },
    ...(await documentCases(depot.url)),
  ]
}

async function prepareDocuments(data: string): Promise<void> {
  await using depot = await startDepot(data)
  await documentCases(depot.url)
}

async function documentCases(url: string): Promise<readonly Case[]> {
  const packument = await fillNpm(url, 'bench-package', 20)
  const page = await fillPython(url, 'bench-project', 20)
  const both = { connections: 16, aim: { ratio: 0.25 }, crowded: true } as const
  return [
    { name: 'abbreviated packument GET', path: packument, headers: CORGI, ...both, two: { ratio: 0.4 } },
    { name: 'simple page (JSON) GET', path: page, headers: JSON_PAGE, ...both },
  ]
}
