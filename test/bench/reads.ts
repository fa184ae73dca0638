import { mkdirSync, writeFileSync } from 'node:fs'
import path from 'node:path'

import { fillNix, fillNpm, fillPython, fillRecords } from './fill.ts'
import { drive, sideBySide, type Load } from './load.ts'
import type { Row } from './run.ts'
import { startDepot, startNginx } from './servers.ts'

const ROUNDS = 5
const SECONDS = 4
const MIB = 1024 * 1024
const CORGI = { accept: 'application/vnd.npm.install-v1+json' }
const JSON_PAGE = { accept: 'application/vnd.pypi.simple.v1+json' }

interface Case {
  readonly name: string
  readonly path: string
  readonly connections: number
  readonly headers?: Readonly<Record<string, string>>
  readonly target: number
  readonly p99Ms?: number
}

/** Hot reads beside nginx on the same bytes, and again with 120,000 more records. */
export async function reads(dir: string): Promise<readonly Row[]> {
  const data = path.join(dir, 'data')
  const files = path.join(dir, 'files')
  mkdirSync(files, { recursive: true })
  const cases = await prepare(data, files)
  await using nginx = await startNginx(path.join(dir, 'nginx'), files)
  const rows: Row[] = []
  const plain = new Map<string, number>()
  {
    await using depot = await startDepot(data)
    for (const [index, item] of cases.entries()) {
      const figures = await sideBySide(
        ROUNDS,
        () => drive(loadOf(depot.url + item.path, item)),
        () => drive(loadOf(`${nginx.url}/${index}`, item)),
      )
      plain.set(item.name, figures.perSecond)
      const quick = item.p99Ms === undefined || figures.p99Ms < item.p99Ms
      rows.push({
        name: item.name,
        ours: `${figures.perSecond.toFixed(0)}/s, p99 ${figures.p99Ms.toFixed(1)} ms`,
        peer: `nginx ${figures.peerPerSecond.toFixed(0)}/s, p99 ${figures.peerP99Ms.toFixed(1)} ms`,
        ratio: figures.ratio,
        target: `>= ${item.target}${item.p99Ms === undefined ? '' : `, p99 < ${item.p99Ms} ms`}`,
        met: figures.ratio >= item.target && quick,
      })
    }
  }
  return [...rows, ...(await crowded(dir, data, cases.slice(3)))]
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
      () => drive(loadOf(many.url + item.path, item)),
      () => drive(loadOf(few.url + item.path, item)),
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

function loadOf(url: string, { connections, headers }: Case): Load {
  return { url, connections, seconds: SECONDS, ...(headers === undefined ? {} : { headers }) }
}

async function prepare(data: string, files: string): Promise<readonly Case[]> {
  await using depot = await startDepot(data)
  const small = await fillNix(depot.url, '0'.repeat(32), 10_000)
  const large = await fillNix(depot.url, '1'.repeat(32), 64 * MIB)
  const cases: Case[] = [
    { name: 'narinfo GET, 16 connections', path: small.narinfoPath, connections: 16, target: 0.3, p99Ms: 5 },
    { name: '10 kB `.nar.zst` GET, 16 connections', path: small.narPath, connections: 16, target: 0.3, p99Ms: 5 },
    { name: '64 MiB `.nar.zst` GET, 4 connections', path: large.narPath, connections: 4, target: 0.9 },
    ...(await documentCases(depot.url)),
  ]
  for (const [index, { path: where, headers }] of cases.entries()) {
    const answer = await fetch(depot.url + where, { headers: { ...headers, 'accept-encoding': 'identity' } })
    writeFileSync(path.join(files, String(index)), Buffer.from(await answer.arrayBuffer()))
  }
  return cases
}

async function prepareDocuments(data: string): Promise<void> {
  await using depot = await startDepot(data)
  await documentCases(depot.url)
}

async function documentCases(url: string): Promise<readonly Case[]> {
  const packument = await fillNpm(url, 'bench-package', 20)
  const page = await fillPython(url, 'bench-project', 20)
  return [
    { name: 'abbreviated packument GET', path: packument, headers: CORGI, connections: 16, target: 0.25 },
    { name: 'simple page (JSON) GET', path: page, headers: JSON_PAGE, connections: 16, target: 0.25 },
  ]
}
