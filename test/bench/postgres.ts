import path from 'node:path'

import { startOwnPostgres } from '../helpers/own-postgres.ts'
import { fillNix, fillNpm } from './fill.ts'
import { inTurn, type Load } from './load.ts'
import type { Row } from './report.ts'
import { rateRows } from './rows.ts'
import { type BenchServer, startDepot } from './servers.ts'

const ROUNDS = 3
const SECONDS = 4
const CORGI = { accept: 'application/vnd.npm.install-v1+json' }

/** Hot documents from a depot over PostgreSQL on the same machine, beside one over SQLite: what a server gives up to be one of many. */
export async function postgres(dir: string): Promise<readonly Row[]> {
  await using database = await startOwnPostgres()
  await using shared = await startDepot(path.join(dir, 'shared', 'data'), ['--database-url', database.url])
  await using alone = await startDepot(path.join(dir, 'alone', 'data'))
  const rows: Row[] = []
  for (const [name, load] of await cases([shared, alone])) {
    const { ours, ...peers } = await inTurn(ROUNDS, { ours: load(shared), SQLite: load(alone) })
    if (ours) rows.push(...rateRows({ name, ours, peers, aims: { SQLite: { ratio: 0.5 } } }))
  }
  return rows
}

/** The same things in both, and how each is asked for. */
async function cases(depots: readonly BenchServer[]): Promise<[string, (depot: BenchServer) => Load][]> {
  let narinfo = ''
  let packument = ''
  for (const { url } of depots) {
    narinfo = (await fillNix(url, '0'.repeat(32), 10_000)).narinfoPath
    packument = await fillNpm(url, 'bench-package', 20)
  }
  const load =
    (where: string, headers = {}) =>
    ({ url }: BenchServer): Load => ({ url: url + where, connections: 16, seconds: SECONDS, headers })
  return [
    ['narinfo GET over PostgreSQL, 16 connections', load(narinfo)],
    ['abbreviated packument GET over PostgreSQL, 16 connections', load(packument, CORGI)],
  ]
}
