import { rmSync } from 'node:fs'
import { mkdtemp, readFile, writeFile } from 'node:fs/promises'
import { cpus, loadavg, tmpdir } from 'node:os'
import path from 'node:path'
import process from 'node:process'
import { inspect } from 'node:util'

import { auth } from './auth.ts'
import { bundles } from './bundles.ts'
import { writeFirstScreen } from './first-screen.ts'
import { holds } from './holds.ts'
import { limits } from './load.ts'
import { localStore } from './local-store.ts'
import { coldStartAndMemory } from './memory.ts'
import { ensureBuilt, howToInstall, missingOf, type NeedName, versionsOf } from './needs.ts'
import { nixClients } from './nix-clients.ts'
import { npmRegistry } from './npm-registry.ts'
import { packageSize } from './package.ts'
import { pastOneMachine } from './past-one-machine.ts'
import { postgres } from './postgres.ts'
import { proxied } from './proxied.ts'
import { push } from './push.ts'
import { pythonIndex } from './python-index.ts'
import { reads } from './reads.ts'
import { line, parseTables, report, type Row, table } from './report.ts'
import { save } from './save.ts'
import { scale } from './scale.ts'
import { soak } from './soak.ts'
import { uploads } from './uploads.ts'

export type { Row } from './report.ts'

interface Section {
  measure(dir: string): Promise<readonly Row[]>
  readonly needs: readonly NeedName[]
  /** Left out of a run of everything: measured when it is named. */
  readonly onlyNamed?: true
}

/** One line for each section, in the order in which they are measured and written. */
const SECTIONS: Readonly<Record<string, Section>> = {
  reads: { measure: reads, needs: ['wrk', 'nginx', 'curl'] },
  postgres: { measure: postgres, needs: ['wrk', 'postgres'] },
  'past-one-machine': { measure: pastOneMachine, needs: ['wrk', 'postgres', 'curl'] },
  uploads: { measure: uploads, needs: ['zstd', 'xz', 'curl'] },
  proxy: { measure: proxied, needs: ['curl'] },
  auth: { measure: auth, needs: ['wrk'] },
  'local-store': { measure: localStore, needs: ['wrk', 'nginx', 'nix'] },
  'nix-clients': { measure: nixClients, needs: ['wrk', 'nginx', 'nix'] },
  save: { measure: save, needs: ['uv'] },
  push: { measure: push, needs: ['nix'] },
  npm: { measure: npmRegistry, needs: ['wrk', 'nginx', 'curl', 'verdaccio', 'npm', 'pnpm'] },
  python: { measure: pythonIndex, needs: ['wrk', 'nginx', 'devpi', 'pypiserver', 'uv', 'twine'] },
  bundle: { measure: bundles, needs: [] },
  memory: { measure: coldStartAndMemory, needs: ['wrk'] },
  package: { measure: packageSize, needs: [] },
  holds: { measure: holds, needs: [] },
  scale: { measure: scale, needs: ['wrk', 'nginx', 'verdaccio'] },
  soak: { measure: soak, needs: [], onlyNamed: true },
}

const OWN_RESULTS = path.join(import.meta.dirname, 'RESULTS.md')
const RESULTS = process.env['BENCH_RESULTS'] ?? OWN_RESULTS
/** In place of sections: only bring the README's first screen and the chart up to what was measured. */
const SUMMARY = 'summary'

/**
 * `npm run bench [-- section …]`: measure the built depot beside others and write the table of each section as soon as it is there; the
 * others stay as they were. A section that fails, or whose programs are missing, is told of, and the rest is measured. At the end, or alone as
 * `npm run bench -- summary`, the README's first screen and the chart are written from these tables.
 *
 * BENCH_SECONDS and BENCH_ROUNDS make rounds shorter and fewer, to see that everything runs; BENCH_RESULTS names another file to write to.
 */
async function main(names: readonly string[]): Promise<void> {
  if (names[0] === SUMMARY) return await writeFirstScreen(RESULTS)
  await ensureBuilt()
  const wanted = sectionsOf(names)
  const lacking = await missingOf([...new Set(wanted.flatMap(([, { needs }]) => needs))])
  for (const text of howToInstall(lacking)) process.stderr.write(`${text}\n`)
  const began = performance.now()
  const failed: string[] = []
  for (const [name, section] of wanted) {
    const missing = section.needs.filter((need) => lacking.includes(need))
    if (missing.length > 0) process.stderr.write(`${name}: left out without ${missing.join(', ')}\n`)
    if (missing.length > 0 || !(await measured(name, section))) failed.push(name)
  }
  if (RESULTS === OWN_RESULTS) await writeFirstScreen(RESULTS)
  process.stdout.write(`${wanted.length - failed.length} of ${wanted.length} sections in ${minutes(began)}\n`)
  if (failed.length === 0) return
  process.stderr.write(`not measured: ${failed.join(', ')}\n`)
  process.exitCode = 1
}

function sectionsOf(names: readonly string[]): readonly (readonly [string, Section])[] {
  const unknown = names.find((name) => !Object.hasOwn(SECTIONS, name))
  if (unknown !== undefined) {
    process.stderr.write(`${unknown} is none of ${[...Object.keys(SECTIONS), SUMMARY].join(', ')}\n`)
    process.exit(1)
  }
  return Object.entries(SECTIONS).filter(([name, { onlyNamed = false }]) =>
    names.length === 0 ? !onlyNamed : names.includes(name),
  )
}

/** Measure one section and write its table; whether that went well. */
async function measured(name: string, { measure, needs }: Section): Promise<boolean> {
  const dir = await mkdtemp(path.join(tmpdir(), 'depot-bench-'))
  const clear = (): void => rmSync(dir, { recursive: true, force: true, maxRetries: 3 })
  // Some gigabytes, also when it is interrupted.
  process.once('exit', clear)
  const began = performance.now()
  process.stdout.write(`${name} …\n`)
  try {
    const before = load()
    const rows = await measure(path.join(dir, name))
    for (const row of rows) process.stdout.write(`${line(row)}\n`)
    await write(name, table(await conditions(before, needs), rows))
    process.stdout.write(`${name}: ${minutes(began)}\n`)
    return true
  } catch (error) {
    process.stderr.write(`${name} failed after ${minutes(began)}: ${inspect(error)}\n`)
    return false
  } finally {
    process.off('exit', clear)
    clear()
  }
}

/** The file is read again each time: another run may have written another section meanwhile. */
async function write(name: string, text: string): Promise<void> {
  const tables = parseTables(await readFile(RESULTS, 'utf8').catch(() => ''))
  tables.set(name, text)
  await writeFile(RESULTS, report(tables, Object.keys(SECTIONS)))
}

/** Of the machine and of what was measured. */
async function conditions(before: string, needs: readonly NeedName[]): Promise<string> {
  const short = limits()
  const day = new Date().toISOString().slice(0, 10)
  const machine = `${cpus().length} cores (${cpus()[0]?.model.trim() ?? 'unknown'}), load ${before} before and ${load()} after`
  return `${day}; ${machine}; ${await versionsOf(needs)}${short === '' ? '' : `. **${short}: to see that it runs, no figures**`}`
}

function load(): string {
  return (loadavg()[0] ?? NaN).toFixed(1)
}

function minutes(began: number): string {
  const seconds = Math.round((performance.now() - began) / 1000)
  return `${Math.floor(seconds / 60)} min ${seconds % 60} s`
}

// Where Debian has nginx, which is on the path of root alone.
process.env['PATH'] = `${process.env['PATH'] ?? ''}:/usr/sbin`
await main(process.argv.slice(2))
