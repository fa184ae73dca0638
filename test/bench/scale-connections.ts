import path from 'node:path'

import { startCeilings } from './ceilings.ts'
import { fillNix } from './fill.ts'
import { inTurn } from './load.ts'
import type { Row } from './report.ts'
import { rateRows } from './rows.ts'
import { memoryOfAll, startDepot } from './servers.ts'

const ROUNDS = 3
const SECONDS = 4

/** One narinfo on 1 to 1,000 connections, which are all busy all the time. */
export async function scaleConnections(dir: string): Promise<readonly Row[]> {
  await using depot = await startDepot(path.join(dir, 'data'))
  const { narinfoPath } = await fillNix(depot.url, '0'.repeat(32), 10_000)
  const url = depot.url + narinfoPath
  await using ceilings = await startCeilings(path.join(dir, 'ceilings'), [{ url }])
  const rows: Row[] = []
  for (const connections of [1, 10, 100, 1_000]) {
    const load = { connections, seconds: SECONDS }
    const { depot: ours, ...peers } = await inTurn(ROUNDS, { ...ceilings.loads(0, load), depot: { ...load, url } })
    if (ours === undefined) continue
    const name = `narinfo GET on ${connections.toLocaleString('en')} connections`
    const told = `p50 ${ours.p50Ms.toFixed(2)} ms, ${memoryOfAll(depot.pid).toFixed(0)} MB`
    const compared = rateRows({ name, ours, peers, aims: {} })
    rows.push(...compared.map((row) => ({ ...row, ours: `${row.ours}, ${told}` })))
  }
  return rows
}
