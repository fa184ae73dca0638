import { readFile, writeFile } from 'node:fs/promises'
import path from 'node:path'
import process from 'node:process'

import { parseTables } from './report.ts'
import { chartOf, unmeasured, withFirstScreen } from './summary.ts'

const README = path.join(import.meta.dirname, '..', '..', 'README.md')
const CHART = path.join(import.meta.dirname, 'scale.svg')

/** Bring the README's first screen and the chart up to what a file of results says. */
export async function writeFirstScreen(results: string): Promise<void> {
  const tables = parseTables(await readFile(results, 'utf8'))
  const drawn = chartOf(tables)
  if (drawn !== undefined) await writeFile(CHART, drawn)
  await writeFile(README, withFirstScreen(await readFile(README, 'utf8'), tables))
  for (const name of unmeasured(tables)) process.stderr.write(`no figure yet for the README: ${name}\n`)
}
