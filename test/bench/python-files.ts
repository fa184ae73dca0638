import path from 'node:path'

import { startCeilings } from './ceilings.ts'
import { inTurn, type Load, type LoadResult } from './load.ts'
import type { Row } from './report.ts'
import { rateRows } from './rows.ts'
import type { BenchServer } from './servers.ts'

const ROUNDS = 3
/** A project of one small wheel. */
export const NARROW = 'narrow'

/** A file as most are, and the metadata beside it, which devpi does not serve unless it is told to. */
export async function fileReads(
  dir: string,
  depot: BenchServer,
  others: Readonly<Record<string, string>>,
): Promise<readonly Row[]> {
  const wheel = await fileUrl(`${depot.url}/python/simple`)
  const metadata = `${wheel}.metadata`
  await using ceilings = await startCeilings(path.join(dir, 'file-ceilings'), [{ url: wheel }, { url: metadata }])
  const load = { connections: 16, seconds: 4 }
  const beside: Record<string, Load> = {}
  for (const [name, index] of Object.entries(others)) beside[name] = { ...load, url: await fileUrl(index) }
  const content = await inTurn(ROUNDS, { ...ceilings.loads(0, load), ...beside, depot: { ...load, url: wheel } })
  const small = await inTurn(ROUNDS, { ...ceilings.loads(1, load), depot: { ...load, url: metadata } })
  return [
    ...fileRows('wheel of 110 kB, 16 connections', content),
    ...fileRows('`.metadata` of it, 16 connections', small),
  ]
}

function fileRows(name: string, { depot, ...peers }: Readonly<Record<string, LoadResult>>): readonly Row[] {
  return depot ? rateRows({ name, ours: depot, peers, aims: { devpi: { ratio: 5 } } }) : []
}

/** Where an index says that the only file of the narrow project is. */
async function fileUrl(index: string): Promise<string> {
  const page = `${index}/${NARROW}/`
  const answer = await fetch(page, { headers: { accept: 'text/html' } })
  const href = /href="(?<file>[^"#]+\.whl)/.exec(await answer.text())?.groups?.['file']
  if (href === undefined) throw new Error(`no file at ${page}`)
  return new URL(href, answer.url).href
}
