import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { cpus, loadavg, tmpdir } from 'node:os'
import path from 'node:path'
import process from 'node:process'

import { auth } from './auth.ts'
import { bundles } from './bundles.ts'
import { holds } from './holds.ts'
import { localStore } from './local-store.ts'
import { coldStartAndMemory } from './memory.ts'
import { output } from './load.ts'
import { nixClients } from './nix-clients.ts'
import { npmRegistry } from './npm-registry.ts'
import { proxied } from './proxied.ts'
import { push } from './push.ts'
import { pythonIndex } from './python-index.ts'
import { reads } from './reads.ts'
import { save } from './save.ts'
import { uploads } from './uploads.ts'

/** One line of the table: a figure, what it is compared with, and what was aimed at. */
export interface Row {
  readonly name: string
  readonly ours: string
  readonly peer: string
  readonly ratio: number | undefined
  readonly target: string
  readonly met: boolean
}

const SECTIONS = {
  reads,
  uploads,
  proxy: proxied,
  auth,
  'local-store': localStore,
  'nix-clients': nixClients,
  save,
  push,
  npm: npmRegistry,
  python: pythonIndex,
  bundle: bundles,
  memory: coldStartAndMemory,
  holds,
} as const

const RESULTS = path.join(import.meta.dirname, 'RESULTS.md')

/**
 * `npm run bench [-- section …]`: measure the built depot beside nginx and write the table of each section; the others stay as they were.
 * Needs nginx, wrk, xz, zstd and nix.
 */
async function main(names: readonly string[]): Promise<void> {
  const dir = await mkdtemp(path.join(tmpdir(), 'depot-bench-'))
  const tables = await readTables()
  try {
    for (const name of sectionsOf(names)) {
      const rows = await SECTIONS[name](path.join(dir, name))
      for (const row of rows) process.stdout.write(`${line(row)}\n`)
      tables.set(name, await table(rows))
    }
  } finally {
    await rm(dir, { recursive: true, force: true })
  }
  await writeFile(RESULTS, report(tables))
}

type Section = keyof typeof SECTIONS

function sectionsOf(names: readonly string[]): readonly Section[] {
  const all = Object.keys(SECTIONS) as Section[]
  const unknown = names.find((name) => !all.includes(name as Section))
  if (unknown !== undefined) throw new Error(`${unknown} is none of ${all.join(', ')}`)
  return names.length === 0 ? all : all.filter((name) => names.includes(name))
}

/** What was measured before, by section. */
async function readTables(): Promise<Map<string, string>> {
  const text = await readFile(RESULTS, 'utf8').catch(() => '')
  const parts = text.split(/^## /m).slice(1)
  return new Map(parts.map((part) => [part.slice(0, part.indexOf('\n')), part.slice(part.indexOf('\n')).trim()]))
}

function line({ name, ours, peer, ratio, target, met }: Row): string {
  return `| ${name} | ${ours} | ${peer} | ${ratio === undefined ? '' : ratio.toFixed(2)} | ${target} | ${met ? 'yes' : '**no**'} |`
}

async function table(rows: readonly Row[]): Promise<string> {
  const versions = [
    `Node ${process.versions.node}`,
    (await output('sh', ['-c', 'nginx -v 2>&1'])).trim(),
    (await output('sh', ['-c', 'zstd --version'])).trim().replaceAll('*', '').trim(),
  ]
  return `${cpus().length} cores, load ${loadavg()[0]?.toFixed(1)} at the end; ${versions.join('; ')}

| figure | depot | beside it | ratio | aim | met |
|---|---|---|---|---|---|
${rows.map(line).join('\n')}`
}

function report(tables: ReadonlyMap<string, string>): string {
  const sections = Object.keys(SECTIONS).flatMap((name) => {
    const measured = tables.get(name)
    return measured === undefined ? [] : [`## ${name}\n\n${measured}\n`]
  })
  return `# Figures

Written by \`npm run bench\`, which builds nothing: run \`npm run build\` first. Each figure is the median of interleaved rounds on one machine;
nginx has one worker, sendfile and its access log on, and serves the same bytes from a file. Only the ratios travel: absolute figures
differ between machines and hours.

${sections.join('\n')}`
}

await main(process.argv.slice(2))
